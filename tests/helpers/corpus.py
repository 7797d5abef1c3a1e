"""Where the bundled corpus lies."""

from corpus import build
from tests.helpers import ROOT

PAGES = ROOT / "corpus" / "pages"
XML = ROOT / "corpus" / build.XML_NAME
INDEX = ROOT / "corpus" / build.INDEX_NAME
