"""Whether a bench is fit to play on: everything that a run relies on, asked before it does, each answer with its remedy."""
