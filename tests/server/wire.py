"""A good caller of a server in this process that speaks HTTP/2 by hand; see tests/frames.py."""

import ssl

from tests.frames import Line, tls
from tests.server.running import Place


class Wire(Line):
    """A connection with a good certificate, that has said that it is HTTP/2."""

    def __init__(self, place: Place, port: int, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        """Connect as a good caller."""
        folder = place.folder / "wire"
        place.caller().save(folder)
        super().__init__(port, tls(place.ca.ca_pem, (folder / "cert.pem", folder / "key.pem"), newest))
        self.hello()
