"""How much: objectives, ceilings, the target and its no-trade band. Knows no protocol, no price source, no clock."""
