"""Tell a redirect by its text, as MediaWiki does, where a dump has no `<redirect>` element (exports before schema 0.4).

The words are those of MediaWiki: `redirect` in $magicWords of languages/messages/Messages*.php. A wiki takes the
English one and its own; of an old dump the language need not be known.
"""

import re

_WORDS = """
REDIRECT AANSTUUR ADKAS ail-cyfeirio ailgyfeirio ALIDIREKTU ALIH ANCAMINAR athsheoladh AÝDAW BIRZUZENDU
DEURVERWIEZING DOORVERWIJZING ELEKEZA İSTİQAMƏTLƏNDİRMƏ LENCONG OHJAUS OMDIRIGER OMDIRIGERING ÖMLEIDUNG
PATRZ PERADRESAVIMAS PREUSMERI PREUSMERITEV PREUSMJERI PRESMERUJ PRZEKIERUJ PŘESMĚRUJ REDIRECCIÓN
REDIRECCION REDIRECIONAMENTO REDIRECTEAZA REDIRECTION REDIREICIÓN RIDREJTO RIMANDO RINDIRIZZA RINVIA
RINVIO saadaq STIR suuna TAM TILVÍSUN UUDELLEENOHJAUS WEITERLEITUNG WIEDERLEIDEN YOʻNALTIRISH YÖNLENDİR
YÖNLENDİRME YÖNLƏNDİRMƏ YÜNÄLTÜ ÁTIRÁNYÍTÁS đổi ΑΝΑΚΑΤΕΥΘΥΝΣΗ АЙДАУ ВИЖ ВИДИ ПЕРАНАКІРАВАННЕ
ПЕРАНАКІРАВАНЬНЕ ПЕРЕНАПР ПЕРЕНАПРАВЛЕНИЕ ПЕРЕНАПРАВЛЕННЯ ПРЕНАСОЧВАНЕ ПРЕНАСОЧУВАЊЕ ПРЕУСМЕРИ
ПРѢНАПРАВЛЄНИѤ ՎԵՐԱՀՂՈՒՄ გადამისამართება הפניה ווייטערפירן ايداۋ تحويل تغییرمسیر تغییر_مسیر چوريو
رجوع_مکرر ڕەوانەکردن مخ_ګرځونه अनुप्रेषित पुनर्निदेशन पुनर्निर्देशन पुनर्प्रेषित পুনর্নির্দেশ வழிமாற்று దారిమార్పు
ಪುನರ್ನಿರ್ದೇಶಿಸಿ തിരിച്ചുവിടുക යළියොමුව เปลี่ยนทาง បញ្ជូនបន្ត ប្ដូរទីតាំង ប្ដូរទីតាំងទៅ ប្តូរទីតាំង ប្តូរទីតាំងទៅ
ប្ដូរចំណងជើង 넘겨주기 リダイレクト 転送 重定向 重新導向
"""
WORDS = tuple(_WORDS.split())
# As WikitextContentHandler::extractRedirectTargetAndText: the word, maybe a colon, and a link to another page.
_REDIRECT = re.compile(
    r"\s*[#＃](?:"
    + "|".join(re.escape(word).replace("_", "[_ ]") for word in WORDS)
    + r")\s*:?\s*\[\[[^\[\]{}|\n]+[|\]]",
    re.IGNORECASE,
)


def is_redirect(wikitext: str) -> bool:
    """Return whether a page with this text is a redirect."""
    return _REDIRECT.match(wikitext) is not None
