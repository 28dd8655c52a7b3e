"""Training with Lightning's Trainer, which takes seconds to import: only what trains imports these modules."""
