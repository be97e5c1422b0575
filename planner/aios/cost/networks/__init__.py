"""Fixed networks (vision, audio, tabular): what is known of them by name, and what they ask of a device."""
