"""The parser of each verb's command line."""

from __future__ import annotations

import argparse
import sys
from difflib import get_close_matches
from itertools import takewhile
from typing import Any


class ArgumentParser(argparse.ArgumentParser):
    """Refuses an option that does not exist by its name, before argparse misses the option that was meant."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """A parser with verbs leaves the options to the parser of the verb."""
        if self._subparsers is None:
            options = [one for action in self._actions for one in action.option_strings if one.startswith("--")]
            given = sys.argv[1:] if args is None else args
            for text in takewhile(lambda one: one != "--", given):
                name = text.partition("=")[0]
                if text.startswith("--") and " " not in text and not any(one.startswith(name) for one in options):
                    near = get_close_matches(name, options, 1)
                    self.error(f"There is no option {name}.{f' Did you mean {near[0]}?' if near else ''}")
        return super().parse_known_args(args, namespace)
