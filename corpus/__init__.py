"""A mini encyclopedia: readable wikitext files, packed into a dump in the real export format."""
