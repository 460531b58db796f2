{{ deal_spans(ref("stg_amocrm__deal_responsible_changes"), "responsible_user_id", "owners_known") }}
