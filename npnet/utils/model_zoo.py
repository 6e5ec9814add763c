"""`load_url`: `npnet.hub.load_state_dict_from_url` under its older name."""

from npnet.hub import load_state_dict_from_url

__all__ = ["load_url"]

load_url = load_state_dict_from_url
