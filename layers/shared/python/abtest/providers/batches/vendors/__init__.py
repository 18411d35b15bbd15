"""The batch interfaces there are: one module for each, exporting `CODEC`, named as the vendor's wire format."""
