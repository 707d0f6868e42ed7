"""The landing page and the pages of interrupts and threads: rendered here, readable without scripts."""
