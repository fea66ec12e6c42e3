"""What words mean: concepts, catalogs, disease packs, and the linker that finds concepts in text."""
