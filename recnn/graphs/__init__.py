"""Trees and sequences as DGLGraphs, and the order in which their nodes are computed."""
