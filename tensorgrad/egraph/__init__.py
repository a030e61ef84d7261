"""The e-graph: equality saturation over canonical diagrams, with egglog to find matches."""
