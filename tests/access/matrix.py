"""Who may ask what: a line for each address and method, and for each model of the admin.

`test_matrix.py` sends every one of them as every kind of caller. An address that has no line here
fails, and so does a line whose address is gone.
"""

# Anonymous callers and keys that are unknown, expired or revoked get nothing here (401).
# keys   any one of these scopes is enough; a key without them is refused (403)
# whose  own       rows of one workspace. A bound key and a member have those of theirs; another's
#                  row is not there for them (404), and in lists it is missing
#        platform  the platform's: no bound key and no member sees or changes any
#        nobody    about no one's rows
# Members of a workspace, whatever their role, may read what keys may, and change nothing (403).
# Being staff, or a superuser, gives nothing here.
API = """
method route                                                         whose     keys
GET    workspaces/                                                   own       workspaces:write terms:write usage:read billing:read
POST   workspaces/                                                   own       workspaces:write
GET    workspaces/<workspace_id>/                                    own       workspaces:write terms:write usage:read billing:read
PATCH  workspaces/<workspace_id>/                                    own       workspaces:write terms:write
GET    workspaces/<workspace_id>/billing-settings/                   own       workspaces:write terms:write billing:read
PUT    workspaces/<workspace_id>/billing-settings/                   own       terms:write
PATCH  workspaces/<workspace_id>/billing-settings/                   own       terms:write
GET    workspaces/<workspace_id>/members/                            own       workspaces:write billing:read
POST   workspaces/<workspace_id>/members/                            own       workspaces:write
GET    workspaces/<workspace_id>/members/<member_id>/                own       workspaces:write billing:read
PATCH  workspaces/<workspace_id>/members/<member_id>/                own       workspaces:write
DELETE workspaces/<workspace_id>/members/<member_id>/                own       workspaces:write
GET    workspaces/<workspace_id>/admission/                          own       usage:read usage:write
GET    workspaces/<workspace_id>/usage-summary/                      own       usage:read
GET    workspaces/<workspace_id>/upcoming-invoice/                   own       billing:read
GET    workspaces/<workspace_id>/upcoming-invoice/pdf/               own       billing:read
GET    workspaces/<workspace_id>/analytics/                          own       usage:read
GET    workspaces/<workspace_id>/pricing/                            own       billing:read prices:write usage:read
GET    workspaces/<workspace_id>/price-overrides/                    own       billing:read prices:write
POST   workspaces/<workspace_id>/price-overrides/                    own       prices:write
PATCH  workspaces/<workspace_id>/price-overrides/<override_id>/      own       prices:write
GET    workspaces/<workspace_id>/add-ons/                            own       billing:read terms:write
POST   workspaces/<workspace_id>/add-ons/                            own       terms:write
PATCH  workspaces/<workspace_id>/add-ons/<add_on_id>/                own       terms:write
GET    workspaces/<workspace_id>/commitments/                        own       billing:read terms:write
POST   workspaces/<workspace_id>/commitments/                        own       terms:write
PATCH  workspaces/<workspace_id>/commitments/<commitment_id>/        own       terms:write
GET    workspaces/<workspace_id>/discounts/                          own       billing:read terms:write
POST   workspaces/<workspace_id>/discounts/                          own       terms:write
PATCH  workspaces/<workspace_id>/discounts/<discount_id>/            own       terms:write
GET    workspaces/<workspace_id>/budgets/                            own       workspaces:write terms:write billing:read
POST   workspaces/<workspace_id>/budgets/                            own       terms:write
GET    workspaces/<workspace_id>/budgets/<budget_id>/                own       workspaces:write terms:write billing:read
PATCH  workspaces/<workspace_id>/budgets/<budget_id>/                own       terms:write
DELETE workspaces/<workspace_id>/budgets/<budget_id>/                own       terms:write
GET    audit-log/                                                    own       audit:read
GET    workspaces/<workspace_id>/manual-items/                       own       billing:read
POST   workspaces/<workspace_id>/manual-items/                       own       billing:write
GET    workspaces/<workspace_id>/manual-items/<line_id>/             own       billing:read
POST   workspaces/<workspace_id>/manual-items/<line_id>/approve/     own       billing:write
POST   workspaces/<workspace_id>/manual-items/<line_id>/cancel/      own       billing:write
POST   workspaces/<workspace_id>/one-off-invoices/                   own       billing:write
GET    agents/                                                       own       workspaces:write usage:read
POST   agents/                                                       own       workspaces:write
GET    agents/<agent_id>/                                            own       workspaces:write usage:read
PATCH  agents/<agent_id>/                                            own       workspaces:write
GET    usage/                                                        own       usage:read usage:write
POST   usage/                                                        own       usage:write
POST   usage/batch/                                                  own       usage:write
POST   usage/estimate/                                               own       usage:write usage:read billing:read
GET    usage/<record_id>/                                            own       usage:read usage:write
POST   usage/<record_id>/void/                                       own       usage:write
POST   usage/<record_id>/true-up/                                    own       usage:write
GET    calls/                                                        own       usage:read usage:write
POST   calls/                                                        own       usage:write
POST   calls/batch/                                                  own       usage:write
GET    calls/<call_id>/                                              own       usage:read usage:write
GET    calls/<call_id>/receipt/                                      own       usage:read usage:write
GET    billing-periods/                                              own       billing:read
GET    billing-periods/<period_id>/                                  own       billing:read
POST   billing-periods/<period_id>/finalize/                         own       billing:write
GET    invoices/                                                     own       billing:read
GET    invoices/<invoice_id>/                                        own       billing:read
GET    invoices/<invoice_id>/pdf/                                    own       billing:read
GET    invoices/<invoice_id>/e-invoice/                              own       billing:read
GET    trial-invoices/                                               platform  billing:read
POST   trial-invoices/approve/                                       platform  billing:write
GET    invoices/<invoice_id>/certificate/                            own       billing:read
GET    invoices/<invoice_id>/certificate/pdf/                        own       billing:read
GET    invoices/<invoice_id>/items/<item_id>/records/                own       billing:read
POST   invoices/<invoice_id>/void/                                   own       billing:write
GET    invoices/<invoice_id>/credit-notes/                           own       billing:read
POST   invoices/<invoice_id>/credit-notes/                           own       billing:write
GET    credit-notes/<credit_note_id>/pdf/                            own       billing:read
POST   credit-notes/<credit_note_id>/void/                           own       billing:write
GET    credit-notes/<credit_note_id>/e-invoice/                      own       billing:read
GET    credit-notes/<credit_note_id>/records/                        own       billing:read
GET    workspaces/<workspace_id>/call-disputes/                      own       billing:read
POST   workspaces/<workspace_id>/calls/<call_id>/dispute/            own       billing:write
POST   call-disputes/<dispute_id>/withdraw/                          own       billing:write
GET    workspaces/<workspace_id>/chargebacks/                        own       billing:read
POST   chargebacks/<chargeback_id>/decide/                           own       billing:write
GET    workspaces/<workspace_id>/payments/                           own       billing:read
POST   workspaces/<workspace_id>/payments/                           own       billing:write
POST   payments/<payment_id>/take-back/                              own       billing:write
GET    workspaces/<workspace_id>/invoices.zip                        own       billing:read
GET    workspaces/<workspace_id>/statement/                          own       billing:read
GET    workspaces/<workspace_id>/statement/csv/                      own       billing:read
GET    workspaces/<workspace_id>/statement/pdf/                      own       billing:read
GET    workspaces/<workspace_id>/credit/                             own       billing:read
POST   prices/preview/                                               nobody    billing:read prices:write
POST   prices/what-if/                                               platform  prices:write
GET    rate-cards/                                                   platform  billing:read prices:write
POST   rate-cards/                                                   platform  prices:write
GET    rate-cards/<card_id>/                                         platform  billing:read prices:write
POST   rate-cards/<card_id>/versions/                                platform  prices:write
GET    rate-cards/<card_id>/versions/<number>/                       platform  billing:read prices:write
PUT    rate-cards/<card_id>/versions/<number>/                       platform  prices:write
POST   rate-cards/<card_id>/versions/<number>/publish/               platform  prices:write
GET    rate-cards/<card_id>/versions/<number>/csv/                   platform  billing:read prices:write
PUT    rate-cards/<card_id>/versions/<number>/csv/                   platform  prices:write
GET    rate-cards/<card_id>/assignments/                             platform  billing:read prices:write
POST   rate-cards/<card_id>/assignments/                             platform  prices:write
PATCH  rate-cards/<card_id>/assignments/<assignment_id>/             platform  prices:write
GET    coupons/                                                      platform  billing:read prices:write
POST   coupons/                                                      platform  prices:write
GET    coupons/<coupon_id>/                                          platform  billing:read prices:write
PATCH  coupons/<coupon_id>/                                          platform  prices:write
GET    provider-costs/                                               platform  billing:read prices:write
POST   provider-costs/                                               platform  prices:write
PATCH  provider-costs/<cost_id>/                                     platform  prices:write
GET    provider-costs/csv/                                           platform  billing:read prices:write
POST   provider-costs/csv/                                           platform  prices:write
GET    tax-registrations/                                            platform  billing:read
POST   tax-registrations/                                            platform  billing:write
GET    tax-rates/                                                    platform  billing:read
POST   tax-rates/                                                    platform  billing:write
GET    exchange-rates/                                               platform  billing:read prices:write
POST   exchange-rates/                                               platform  prices:write
GET    exchange-rates/csv/                                           platform  billing:read prices:write
POST   exchange-rates/csv/                                           platform  prices:write
"""

# Roles of members of the workspace, or:
# everyone   signed in or not
# signed-in  whoever is
# Anyone else who is signed in does not find it (404) where it is a workspace's, and a member without
# the role is refused (403). Who is not signed in is sent to do so.
PAGES = """
method route                                                         who
GET    healthz                                                       everyone
GET    readyz                                                        everyone
GET    api/schema/                                                   everyone
GET    api/docs/                                                     everyone
GET    login/                                                        everyone
POST   login/                                                        everyone
GET    second-factor/                                                signed-in
POST   second-factor/                                                signed-in
GET    account/                                                      signed-in
GET    account/second-factor/                                        signed-in
POST   account/second-factor/                                        signed-in
POST   account/                                                      signed-in
POST   account/mails/<workspace_id>/                                 owner admin viewer
POST   account/passkeys/<passkey_id>/                                signed-in
POST   account/sessions/                                             signed-in
GET    workspaces/                                                   signed-in
GET    password/                                                     everyone
POST   password/                                                     everyone
GET    password/<uidb64>/<token>/                                    everyone
POST   password/<uidb64>/<token>/                                    everyone
GET    invitation/<invitation_id>/<token>/                           everyone
POST   invitation/<invitation_id>/<token>/                           everyone
GET    unsubscribe/<token>/                                          everyone
POST   unsubscribe/<token>/                                          everyone
GET    /                                                             signed-in
GET    w/<workspace_id>/                                             owner admin viewer
GET    w/<workspace_id>/spend/                                       owner admin viewer
GET    w/<workspace_id>/compare/                                     owner admin viewer
GET    w/<workspace_id>/usage/                                       owner admin viewer
GET    w/<workspace_id>/usage.csv                                    owner admin viewer
GET    w/<workspace_id>/calls/                                       owner admin viewer
GET    w/<workspace_id>/calls.csv                                    owner admin viewer
GET    w/<workspace_id>/calls.xlsx                                   owner admin viewer
GET    w/<workspace_id>/calls/<call_id>/                             owner admin viewer
GET    w/<workspace_id>/agents/                                      owner admin viewer
GET    w/<workspace_id>/invoices/                                    owner admin viewer
GET    w/<workspace_id>/invoices/upcoming/                           owner admin viewer
GET    w/<workspace_id>/invoices/upcoming/pdf/                       owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/                       owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/pdf/                   owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/e-invoice/             owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/items/<item_id>/       owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/certificate/           owner admin viewer
GET    w/<workspace_id>/invoices/<invoice_id>/certificate.json       owner admin viewer
GET    w/<workspace_id>/credit-notes/<credit_note_id>/pdf/           owner admin viewer
GET    w/<workspace_id>/credit-notes/<credit_note_id>/e-invoice/     owner admin viewer
GET    w/<workspace_id>/credit-notes/<credit_note_id>/               owner admin viewer
GET    w/<workspace_id>/credit-notes/<credit_note_id>/records.csv    owner admin viewer
POST   w/<workspace_id>/calls/<call_id>/dispute/                     owner admin
POST   w/<workspace_id>/disputes/<dispute_id>/withdraw/              owner admin
GET    w/<workspace_id>/invoices.zip                                 owner admin viewer
GET    w/<workspace_id>/payments/                                    owner admin viewer
GET    w/<workspace_id>/payments.csv                                 owner admin viewer
GET    w/<workspace_id>/statement/                                   owner admin viewer
GET    w/<workspace_id>/statement/csv/                               owner admin viewer
GET    w/<workspace_id>/statement/pdf/                               owner admin viewer
GET    w/<workspace_id>/changes/                                     owner admin viewer
GET    w/<workspace_id>/changes.csv                                  owner admin viewer
GET    w/<workspace_id>/settings/                                    owner admin viewer
POST   w/<workspace_id>/settings/                                    owner admin
GET    w/<workspace_id>/budgets/                                     owner admin viewer
GET    w/<workspace_id>/budgets/new/                                 owner admin
POST   w/<workspace_id>/budgets/new/                                 owner admin
GET    w/<workspace_id>/budgets/<budget_id>/                         owner admin viewer
POST   w/<workspace_id>/budgets/<budget_id>/                         owner admin
POST   w/<workspace_id>/budgets/<budget_id>/remove/                  owner admin
POST   w/<workspace_id>/budgets/<budget_id>/test/                    owner admin
GET    w/<workspace_id>/people/                                      owner admin viewer
POST   w/<workspace_id>/people/                                      owner
POST   w/<workspace_id>/people/<member_id>/                          owner
POST   w/<workspace_id>/invitations/<invitation_id>/                 owner
GET    w/<workspace_id>/keys/                                        owner
POST   w/<workspace_id>/keys/                                        owner
POST   w/<workspace_id>/keys/<key_id>/revoke/                        owner
POST   w/<workspace_id>/payment-method/                              owner admin
GET    w/<workspace_id>/payment-method/saved/                        owner admin
"""

# Staff, by their groups: `finance`, `read-only` (finance-read-only), `support`; `people` are staff
# with every permission there is, who are no superusers. `staff` is all of them and those without
# any right. Superusers may whatever somebody may. Who is no staff is sent to sign in.
ADMIN_PAGES = """
method route                                                         who
GET    admin/                                                        staff
GET    admin/search/                                                 staff
GET    admin/jsi18n/                                                 staff
GET    admin/password_change/                                        staff
POST   admin/password_change/                                        staff
GET    admin/password_change/done/                                   staff
GET    admin/month-end/                                              read-only finance people
GET    admin/costs/                                                  read-only finance people
GET    admin/costs/<period_id>/<rate_id>/                            read-only finance people
POST   admin/month-end/start/                                        finance people
POST   admin/customers/<workspace_id>/see-as-owner/                  finance people
POST   admin/owner-view/leave/                                       staff
POST   admin/month-end/sign/                                         finance people
GET    admin/month-end/records/                                      read-only finance people
GET    admin/month-end/records/<month_record_id>/                    read-only finance people
POST   admin/month-end/records/<month_record_id>/confirm/            finance people
GET    admin/trial-close/                                            read-only finance people
POST   admin/trial-close/start/                                      finance people
POST   admin/trial-close/approve/                                    finance people
GET    admin/proof/                                                  read-only finance people
POST   admin/proof/start/                                            finance people
GET    admin/customers/<workspace_id>/                               read-only finance people
GET    admin/reports/                                                read-only finance people
GET    admin/reports/<report_key>/                                   read-only finance people
GET    admin/reports/<report_key>/<file_format>/                     read-only finance people
GET    admin/what-if/                                                read-only finance people
POST   admin/reconcile/                                              finance people
GET    admin/work/                                                   read-only support finance people
POST   admin/work/several/                                           support finance people
POST   admin/work/<work_kind>/<work_id>/try-again/                   support finance people
POST   admin/work/<work_kind>/<work_id>/give-up/                     support finance people
GET    admin/billing/email/attachments/<attachment_id>/              read-only support finance people
POST   admin/billing/email/<object_id>/send_again/                   support finance people
POST   admin/billing/user/<object_id>/mail_link/                     people
POST   admin/billing/user/<object_id>/reset_second_factor/           people
POST   admin/billing/taxnumbercheck/<object_id>/check_again/         finance people
POST   admin/billing/taxnumbercheck/<object_id>/by_hand/             finance people
POST   admin/billing/manualitem/<object_id>/approve/                 finance people
POST   admin/billing/manualitem/<object_id>/cancel/                  finance people
POST   admin/billing/workspace/<object_id>/add_by_hand/              finance people
POST   admin/billing/workspace/<object_id>/bill_at_once/             finance people
POST   admin/billing/servicekey/<object_id>/revoke/                  finance people
POST   admin/billing/ratecard/<object_id>/new_draft/                 finance people
POST   admin/billing/ratecardversion/<object_id>/publish/            finance people
POST   admin/billing/ratecardversion/<object_id>/copy/               finance people
GET    admin/billing/issuingentity/<object_id>/specimen_en/          read-only finance people
GET    admin/billing/issuingentity/<object_id>/specimen_de/          read-only finance people
GET    admin/billing/issuingentity/<object_id>/specimen_fr/          read-only finance people
GET    admin/billing/issuingentity/<object_id>/specimen_es/          read-only finance people
GET    admin/billing/issuingentity/<object_id>/specimen_ja/          read-only finance people
GET    admin/billing/ratecardversion/<object_id>/export_csv/         read-only finance people
POST   admin/billing/ratecardversion/<object_id>/import_csv/         finance people
GET    admin/billing/providercost/export_csv/                        read-only finance people
POST   admin/billing/providercost/import_csv/                        finance people
GET    admin/billing/exchangerate/export_csv/                        read-only finance people
POST   admin/billing/exchangerate/import_csv/                        finance people
POST   admin/billing/billingperiod/<object_id>/finalize/             finance people
POST   admin/billing/billingperiod/<object_id>/retry_close/          finance people
GET    admin/invoices/invoice/<invoice_id>/pdf/                      read-only support finance people
GET    admin/invoices/invoice/<invoice_id>/e-invoice/                read-only support finance people
GET    admin/invoices/invoice/<invoice_id>/certificate/              read-only support finance people
POST   admin/invoices/invoice/<object_id>/retry_the_sync/            finance people
POST   admin/invoices/invoice/<object_id>/retry_the_payment/         finance people
POST   admin/billing/workspace/<object_id>/record_a_payment/         finance people
GET    admin/billing/workspace/<object_id>/statement/                read-only finance people
GET    admin/billing/workspace/<object_id>/statement_csv/            read-only finance people
POST   admin/billing/workspace/<object_id>/take_back_a_payment/      finance people
POST   admin/billing/workspace/<object_id>/pay_out_credit/           finance people
POST   admin/invoices/invoice/<object_id>/give_back/                 finance people
GET    admin/invoices/creditnote/<credit_note_id>/pdf/               read-only finance people
GET    admin/invoices/creditnote/<credit_note_id>/e-invoice/         read-only finance people
POST   admin/invoices/creditnote/<object_id>/approve_and_issue/      finance people
POST   admin/invoices/creditnote/<object_id>/discard/                finance people
POST   admin/invoices/creditnote/<object_id>/void/                   finance people
POST   admin/invoices/creditnote/<object_id>/confirm_void/           finance people
POST   admin/invoices/creditnote/<object_id>/keep/                   finance people
GET    admin/invoices/einvoice/<e_invoice_id>/xml/                   read-only finance people
POST   admin/payments/calldispute/<object_id>/approve/               finance people
POST   admin/payments/calldispute/<object_id>/refuse/                finance people
POST   admin/payments/chargeback/<object_id>/send/                   finance people
POST   admin/payments/chargeback/<object_id>/decide/                 finance people
POST   admin/payments/chargeback/<object_id>/confirm/                finance people
GET    admin/payments/chargeback/<chargeback_id>/files/<field>/      read-only finance people
POST   admin/invoices/invoice/<object_id>/record_a_payment/          finance people
POST   admin/invoices/invoice/<object_id>/mail_it_again/             finance people
POST   admin/invoices/invoice/<object_id>/correct/                   finance people
POST   admin/invoices/invoice/<object_id>/mark_as_paid/              finance people
POST   admin/invoices/invoice/<object_id>/take_back_a_payment/       finance people
POST   admin/invoices/invoice/<object_id>/write_off/                 finance people
POST   admin/invoices/invoice/<object_id>/void/                      finance people
POST   admin/invoices/invoice/<object_id>/issue_anew/                finance people
POST   admin/invoices/invoice/<object_id>/leave_unbilled/            finance people
POST   admin/payments/difference/<object_id>/put_right/              finance people
"""

# What may be done with the rows of a model by its pages. `frozen` has no form for anybody.
ADMIN_MODELS = """
model                         see                              add              change           delete
admin.logentry                people                           frozen           frozen           frozen
auth.group                    people                           superuser        superuser        superuser
billing.auditentry            read-only finance people         frozen           frozen           frozen
billing.billingperiod         read-only support finance people frozen           frozen           frozen
billing.email                 read-only support finance people frozen           frozen           frozen
billing.limitalert            read-only support finance people frozen           frozen           frozen
billing.manualitem            read-only finance people         frozen           frozen           frozen
billing.platformsetting       read-only finance people         frozen           finance people   frozen
billing.priceoverride         read-only finance people         finance people   finance people   frozen
billing.providercost          read-only finance people         finance people   finance people   frozen
billing.exchangerate          read-only finance people         finance people   finance people   frozen
billing.issuingentity         read-only finance people         finance people   finance people   frozen
billing.coupon                read-only finance people         finance people   finance people   frozen
billing.ratecard              read-only finance people         finance people   finance people   frozen
billing.ratecardversion       read-only finance people         frozen           finance people   frozen
billing.servicekey            read-only finance people         finance people   frozen           frozen
billing.subscriptiontier      read-only finance people         finance people   finance people   people
billing.taxnumbercheck        read-only finance people         frozen           frozen           frozen
billing.taxrate               read-only finance people         finance people   finance people   frozen
billing.taxregistration       read-only finance people         finance people   finance people   frozen
billing.user                  read-only finance people         people           people           people
billing.workspace             read-only support finance people finance people   finance people   frozen
invoices.creditnote           read-only finance people         frozen           frozen           frozen
invoices.einvoice             read-only finance people         frozen           frozen           frozen
invoices.invoice              read-only support finance people frozen           frozen           frozen
invoices.taxcalculation       read-only finance people         frozen           frozen           frozen
payments.calldispute          read-only finance people         frozen           frozen           frozen
payments.chargeback           read-only finance people         frozen           frozen           frozen
payments.difference           read-only finance people         frozen           frozen           frozen
payments.reconciliationrun    read-only finance people         frozen           frozen           frozen
usage.budget                  read-only support finance people frozen           frozen           frozen
usage.budgetevent             read-only support finance people frozen           frozen           frozen
usage.call                    read-only support finance people frozen           frozen           frozen
usage.callrollup              read-only support finance people frozen           frozen           frozen
usage.usagerecord             read-only finance people         frozen           frozen           frozen
usage.usagerollup             read-only finance people         frozen           frozen           frozen
usage.voiceagent              read-only support finance people frozen           frozen           frozen
djstripe.charge               read-only finance people         frozen           frozen           frozen
djstripe.customer             read-only finance people         frozen           frozen           frozen
djstripe.dispute              read-only finance people         frozen           frozen           frozen
djstripe.event                read-only finance people         frozen           frozen           frozen
djstripe.invoice              read-only finance people         frozen           frozen           frozen
djstripe.paymentintent        read-only finance people         frozen           frozen           frozen
djstripe.paymentmethod        read-only finance people         frozen           frozen           frozen
djstripe.refund               read-only finance people         frozen           frozen           frozen
djstripe.subscription         read-only finance people         frozen           frozen           frozen
djstripe.webhookendpoint      read-only finance people         frozen           frozen           frozen
djstripe.webhookeventtrigger  read-only finance people         frozen           frozen           frozen
"""

# What may be done with several rows of a list at once.
ADMIN_LIST_ACTIONS = """
action                                     who
billing.auditentry/export                  read-only finance people
billing.billingperiod/finalize_selected    finance people
billing.billingperiod/retry_selected       finance people
billing.email/send_selected_again          support finance people
billing.manualitem/approve_selected        finance people
billing.manualitem/cancel_selected         finance people
billing.workspace/activate_selected        finance people
billing.workspace/suspend_selected         finance people
invoices.creditnote/discard_selected       finance people
invoices.creditnote/issue_selected         finance people
invoices.invoice/charge_selected_again     finance people
invoices.invoice/mail_selected_again       finance people
invoices.invoice/sync_selected_again       finance people
invoices.invoice/write_selected_off        finance people
payments.calldispute/approve_selected      finance people
payments.calldispute/refuse_selected       finance people
payments.difference/remedy_selected        finance people
"""

# Comes back from a payment page that nobody has been to: those who may are told so (404).
# So are those who follow an invitation's link that is none, or change a passkey that is not theirs.
FINDS_NOTHING = {
    "account/passkeys/<passkey_id>/",
    "w/<workspace_id>/payment-method/saved/",
    "invitation/<invitation_id>/<token>/",
    "unsubscribe/<token>/",
}

# Addresses that answer by rules of their own, and the test that holds them.
ELSEWHERE = {
    "metrics": "tests/config/test_health.py",
    "logout/": "tests/billing/test_pages_sign_in.py",
    "stripe/webhook/<endpoint_uuid>/": "tests/invoices/payments/test_webhook_view.py",
    "stripe/webhook/<account>/<endpoint_uuid>/": "tests/invoices/payments/test_stripe_accounts.py",
    "admin/login/": "tests/billing/test_lockout.py",
    "admin/logout/": "tests/test_every_address.py",
    "admin/autocomplete/": "tests/access/test_matrix.py",
    "admin/r/<content_type_id>/<object_id>/": "tests/access/test_matrix.py",
    "admin/<app_label>/": "tests/access/test_matrix.py",
    "admin/<url>": "tests/access/test_matrix.py",
    "admin/billing/user/<id>/password/": "tests/admin/test_permissions.py",
}
