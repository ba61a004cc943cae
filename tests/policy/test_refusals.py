"""A policy with a gap, a contradiction or a slip is refused at start: by the path of the line, saying what to do."""

import pytest

from tests.policy.policies import TEXT, added, changed, without
from vault.errors import ConfigError
from vault.policy.load import parse

F1, F3 = "1" * 64, "a" * 64
CARD = '[fields."payment.card_number"]'
NAME = '[fields."contact.name"]'
BILLING = '[callers."spiffe://vault.example/billing"]'

# test id: text of the policy, key path, part of the reason.
REFUSED = {
    # Gaps
    "a protected field has no line": (without(CARD), 'fields."payment.card_number"', "is missing: the API protects"),
    "a field has no audience": (
        changed(CARD, 'audience = ["payment_processing"]\n', ""),
        'fields."payment.card_number".audience',
        "is missing; add it",
    ),
    "an audience is empty": (
        changed(CARD, '["payment_processing"]', "[]"),
        'fields."payment.card_number".audience',
        "is empty, so what is written could never be read",
    ),
    "a purpose has no caller": (
        changed("[purposes.mail_delivery]", '["mail"]', "[]"),
        "purposes.mail_delivery.roles",
        "is empty, so the purpose has no caller",
    ),
    "a purpose has no roles key": (
        changed("[purposes.mail_delivery]", 'roles = ["mail"]\n', ""),
        "purposes.mail_delivery.roles",
        "is missing; add it",
    ),
    "a purpose has no clause": (
        changed("[purposes.payment_processing]", "clause", "# clause"),
        "purposes.payment_processing.clause",
        "is missing; add it",
    ),
    "a field has no clause": (changed(CARD, "clause", "# clause"), 'fields."payment.card_number".clause', "is missing"),
    "a service has no clause": (
        changed("[methods.PaymentService]", "clause", "# clause"),
        "methods.PaymentService.clause",
        "is missing",
    ),
    "a clause is empty": (
        changed(CARD, '"We use payment information for payment processing purposes only."', '""'),
        'fields."payment.card_number".clause',
        "is empty; write it",
    ),
    "a clause is blank": (
        changed(CARD, '"We use payment information for payment processing purposes only."', '" "'),
        'fields."payment.card_number".clause',
        "is blank; write it",
    ),
    "a served method is not listed": (
        changed("[methods.PaymentService]", "GetCard       =", "# GetCard ="),
        "methods.PaymentService.GetCard",
        "is missing: the vault serves this method",
    ),
    "a served service is not listed": (
        without("[methods.KeyService]"),
        "methods.KeyService.GetEpochKeys",
        "is missing: the vault serves this method",
    ),
    "a served method has no role": (
        changed("[methods.PaymentService]", 'GetCard       = ["billing"]\nBatch', "GetCard       = []\nBatch"),
        "methods.PaymentService.GetCard",
        "is empty, so nobody could call",
    ),
    "a role has no method": (
        changed("[methods.CustomerService]", '"billing", ', "").replace("[roles]", '[roles]\nidle = "Does nothing."'),
        "roles.idle",
        "has no method of its own",
    ),
    "a table is missing": (TEXT.replace("[roles]", "[callers]"), "roles", "is missing; add it"),
    # Unknown names
    "a field is not in the API": (
        added('[fields."payment.cvv"]\naudience = ["payment_processing"]\nclause = "x"'),
        'fields."payment.cvv"',
        "is no protected field of the API",
    ),
    "an audience names an unknown purpose": (
        changed(CARD, '"payment_processing"', '"payment_procesing"'),
        'fields."payment.card_number".audience[0]',
        "is an unknown purpose",
    ),
    "a purpose names an unknown role": (
        changed("[purposes.account_service]", '"provisioning"', '"provision"'),
        "purposes.account_service.roles[1]",
        "is an unknown role",
    ),
    "a method names an unknown role": (
        changed("[methods.OrderService]", 'ListOrders    = ["sales"]', 'ListOrders = ["sales", "sale"]'),
        "methods.OrderService.ListOrders[1]",
        "is an unknown role",
    ),
    "a method is misspelled": (
        changed("[methods.PaymentService]", "ListCards ", "ListCard "),
        "methods.PaymentService.ListCard",
        "is no method of the API",
    ),
    "a service is misspelled": (
        TEXT.replace("[methods.OrderService]", "[methods.OrdersService]"),
        "methods.OrdersService.SaveOrderForm",
        "is no method of the API",
    ),
    "a condition is unknown": (
        changed("[purposes.product_news]", '"objection"', '"objections"'),
        "purposes.product_news.condition",
        "must be 'consent', 'objection', 'order', 'own_visitor' or 'aggregates'",
    ),
    "a custody is unknown": (
        changed("[purposes.payment_processing]", '"caller"', '"callers"'),
        "purposes.payment_processing.custody",
        "must be 'vault', 'caller' or 'none'",
    ),
    "a key of a field is unknown": (
        changed(CARD, "caller_only", "callers_only"),
        'fields."payment.card_number".callers_only',
        "is no key of a policy",
    ),
    "a key of a purpose is unknown": (
        changed("[purposes.product_news]", "condition", "conditions"),
        "purposes.product_news.conditions",
        "is no key of a policy",
    ),
    "a table is unknown": (added("[purpose.x]"), "purpose", "is no key of a policy"),
    # Forms
    "a purpose is malformed": (
        TEXT.replace("[purposes.mail_delivery]", '[purposes."mail+delivery"]'),
        'purposes."mail+delivery"',
        "must be a purpose",
    ),
    "a role is malformed": (TEXT.replace("[roles]", '[roles]\n"a b" = "x"'), 'roles."a b"', "must be a role"),
    "a role is the word for every role": (
        TEXT.replace("[roles]", '[roles]\neveryone = "x"'),
        "roles.everyone",
        "is a word of the method table",
    ),
    "a role is not described": (TEXT.replace("[roles]", '[roles]\nidle = ""'), "roles.idle", "is empty; write it"),
    "an audience is text": (
        changed(CARD, '["payment_processing"]', '"payment_processing"'),
        'fields."payment.card_number".audience',
        "must be a list of texts",
    ),
    "an audience holds a number": (
        changed(CARD, '["payment_processing"]', '["payment_processing", 7]'),
        'fields."payment.card_number".audience[1]',
        "must be text",
    ),
    "caller_only is text": (changed(CARD, "true", '"no"'), 'fields."payment.card_number".caller_only', "true or false"),
    "caller_only is a number": (
        changed(CARD, "true", "0"),
        'fields."payment.card_number".caller_only',
        "true or false",
    ),
    "a method is text": (
        changed("[methods.OrderService]", 'ListOrders    = ["sales"]', 'ListOrders = "sales"'),
        "methods.OrderService.ListOrders",
        "must be a list of texts",
    ),
    "a purpose is no table": (
        TEXT.replace("[purposes.service_provisioning]", "[purposes]\nx = 1\n[purposes.service_provisioning]"),
        "purposes.x",
        "must be a table",
    ),
    "methods is no table": ("methods = 1\n" + TEXT.split("[methods", maxsplit=1)[0], "methods", "must be a table"),
    "not TOML": ("[roles\n", "", "is not TOML: Expected ']'"),
    "a table stands twice": (added(f"{CARD}\naudience = []"), "", "is not TOML: Cannot declare"),
    "a number that no computer reads": ("x = " + "1" * 5000, "", "is not TOML"),
    "brackets without end": ("x = " + "[" * 100_000, "", "is not TOML"),
    # Duplicates
    "an audience names a purpose twice": (
        changed(CARD, '["payment_processing"]', '["payment_processing", "payment_processing"]'),
        'fields."payment.card_number".audience[1]',
        "stands there twice",
    ),
    "a purpose names a role twice": (
        changed("[purposes.mail_delivery]", '["mail"]', '["mail", "mail"]'),
        "purposes.mail_delivery.roles[1]",
        "stands there twice",
    ),
    "a method names a role twice": (
        changed("[methods.OrderService]", 'ListOrders    = ["sales"]', 'ListOrders = ["sales", "sales"]'),
        "methods.OrderService.ListOrders[1]",
        "stands there twice",
    ),
    # Contradictions
    "a caller_only field has a reader in custody of the vault": (
        changed(CARD, '["payment_processing"]', '["payment_processing", "account_service"]'),
        'fields."payment.card_number".audience[1]',
        "is in custody of the vault, but the field is caller_only",
    ),
    "a purpose of counts reads a field": (
        changed(NAME, '"service_provisioning"', '"traffic_analysis"'),
        'fields."contact.name".audience[0]',
        'has custody "none"',
    ),
    "no custody, and a condition other than counts": (
        changed("[purposes.traffic_analysis]", '"aggregates"', '"consent"'),
        "purposes.traffic_analysis.condition",
        'must be "aggregates"',
    ),
    "no custody, and no condition": (
        changed("[purposes.traffic_analysis]", 'condition = "aggregates"\n', ""),
        "purposes.traffic_analysis.condition",
        'must be "aggregates"',
    ),
    "counts, in custody of somebody": (
        changed("[purposes.traffic_analysis]", '"none"', '"vault"'),
        "purposes.traffic_analysis.custody",
        'must be "none"',
    ),
    "everyone, and one more": (
        changed("[methods.PolicyService]", 'GetPolicy     = ["everyone"]', 'GetPolicy = ["everyone", "care"]'),
        "methods.PolicyService.GetPolicy",
        'names "everyone" and others',
    ),
    # Callers
    "a caller is no SPIFFE ID": (added('[callers."billing"]\nroles = ["billing"]'), "callers.billing", "SPIFFE ID"),
    "a caller is a trust domain": (
        added('[callers."spiffe://vault.example"]\nroles = ["billing"]'),
        'callers."spiffe://vault.example"',
        "must be a SPIFFE ID with a path",
    ),
    "a caller has no role": (
        added(f"{BILLING}\nroles = []"),
        'callers."spiffe://vault.example/billing".roles',
        "is empty; name a role",
    ),
    "a caller has an unknown role": (
        added(f'{BILLING}\nroles = ["billing", "root"]'),
        'callers."spiffe://vault.example/billing".roles[1]',
        "is an unknown role",
    ),
    "a caller has a role twice": (
        added(f'{BILLING}\nroles = ["billing", "billing"]'),
        'callers."spiffe://vault.example/billing".roles[1]',
        "stands there twice",
    ),
    "a caller is everyone": (
        added(f'{BILLING}\nroles = ["everyone"]'),
        'callers."spiffe://vault.example/billing".roles[0]',
        "is an unknown role",
    ),
    # Keys
    "a key of an unknown purpose": (
        added(f'[keys.payment]\ncurrent = "{F1}"'),
        "keys.payment",
        "is an unknown purpose",
    ),
    "a key of a purpose in custody of the vault": (
        added(f'[keys.account_service]\ncurrent = "{F1}"'),
        "keys.account_service",
        "is not in custody of a caller",
    ),
    "a key without a current one": (
        added(f'[keys.payment_processing]\nnext = "{F1}"'),
        "keys.payment_processing.current",
        "is missing",
    ),
    "a fingerprint is short": (
        added(f'[keys.payment_processing]\ncurrent = "{F1[1:]}"'),
        "keys.payment_processing.current",
        "must be a fingerprint",
    ),
    "a fingerprint is in upper case": (
        added(f'[keys.payment_processing]\ncurrent = "{F3.upper()}"'),
        "keys.payment_processing.current",
        "must be a fingerprint",
    ),
    "a fingerprint ends with a line break": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}\\n"'),
        "keys.payment_processing.current",
        "must be a fingerprint",
    ),
    "the next fingerprint is malformed": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}"\nnext = "none"'),
        "keys.payment_processing.next",
        "must be a fingerprint",
    ),
    "the recovery key is malformed": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}"\nrecovery = "no"'),
        "keys.payment_processing.recovery",
        "must be a fingerprint",
    ),
    "the next key is the current one": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}"\nnext = "{F1}"'),
        "keys.payment_processing.next",
        "is the same key as keys.payment_processing.current",
    ),
    "the recovery key is the current one": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}"\nrecovery = "{F1}"'),
        "keys.payment_processing.recovery",
        "is the same key as keys.payment_processing.current",
    ),
    "one key for two purposes": (
        added(f'[keys.payment_processing]\ncurrent = "{F1}"\n[keys.mail_delivery]\ncurrent = "{F1}"'),
        "keys.mail_delivery.current",
        "is the same key as keys.payment_processing.current",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    """Each is refused by file, by the exact path of its key, and with a reason."""
    text, key, why = REFUSED[case]
    with pytest.raises(ConfigError) as refusal:
        parse(text, "policy.toml")
    assert (refusal.value.file, refusal.value.key) == ("policy.toml", key)
    assert why in refusal.value.why
    assert str(refusal.value).startswith("policy.toml: ")


def test_refusal_never_repeats_a_value() -> None:
    """What stands at the path may be a secret that somebody pasted into the wrong file."""
    canary = "hunter2-hunter2"
    for text in (
        changed(CARD, '["payment_processing"]', f'"{canary}"'),
        changed(CARD, '["payment_processing"]', f'["{canary}"]'),
        changed("[purposes.mail_delivery]", '"caller"', f'"{canary}"'),
        added(f'[keys.payment_processing]\ncurrent = "{canary}"'),
        added(f'{BILLING}\nroles = ["{canary}"]'),
    ):
        with pytest.raises(ConfigError) as refusal:
            parse(text, "policy.toml")
        assert canary not in str(refusal.value)
        assert refusal.value.__cause__ is None
