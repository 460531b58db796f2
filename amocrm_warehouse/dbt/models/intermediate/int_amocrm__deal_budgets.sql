{{ deal_spans(ref("stg_amocrm__deal_sale_changes"), "budget", "budgets_known") }}
