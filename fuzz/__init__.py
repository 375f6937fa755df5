"""Coverage-guided fuzzing of everything that reads text: configs, keys and values, quantities, tables."""
