"""The vendors: one module for each wire format, exporting `CODEC`; the module's name is the vendor's wire name."""
