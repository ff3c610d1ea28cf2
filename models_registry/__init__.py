"""Names to backends: config, routing, prices and pure translators. No IO here."""
