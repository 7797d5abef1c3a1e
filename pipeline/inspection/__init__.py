"""Face of inspection."""
