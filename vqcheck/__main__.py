"""`python3 -m vqcheck`."""
import sys

from .cli.main import main

sys.exit(main())
