"""A page that shows what models make of a sentence, and the JSON endpoints behind it: `recnn serve`."""
