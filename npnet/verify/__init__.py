"""Certificates: what shows that a layer or a network is right; `npnet verify` prints them."""

from npnet.verify.certificate import verify
from npnet.verify.claims import Certificate, Claim
from npnet.verify.subjects import Case, Given

__all__ = ["Case", "Certificate", "Claim", "Given", "verify"]
