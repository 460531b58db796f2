{{ deal_spans(ref("stg_deal_sale_changes"), "budget", "budgets_known") }}
