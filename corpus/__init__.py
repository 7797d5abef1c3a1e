"""A mini encyclopedia as readable wikitext files in, a dump in the real export format out."""
