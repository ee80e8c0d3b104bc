"""Writing a dump of a guest's memory: its ELF headers and notes, what memory there is, and the copying."""
