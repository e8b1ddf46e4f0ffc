"""The rule-made band: composes songs and renders each instrument alone."""
