-- One row per stay of a deal in a stage. No event tells the stage in which a deal began: it is the old stage of the first
-- move, or the present stage if there is no move. The last stay is in the stage that the deal shows now. A stay in a stage that
-- no event tells, as of a deal whose first move lacks the old stage, has no row.
with moves as (
    select
        moves.*,
        row_number() over (partition by project_id, deal_id order by created_at, event_id) as nth,
        row_number() over (partition by project_id, deal_id order by created_at desc, event_id desc) as nth_last
    from {{ ref("stg_amocrm__deal_statuses") }} as moves
),

stays as (
    select
        deals.project_id,
        deals.deal_id,
        0 as position,
        case when accounts.stages_known then deals.known_from end as from_at,
        case when accounts.stages_known then deals.known_from_local end as from_at_local,
        case when moves.event_id is null then deals.pipeline_id else moves.pipeline_id_old end as pipeline_id,
        case when moves.event_id is null then deals.status_id else moves.status_id_old end as status_id,
        cast(null as varchar) as event_id,
        case when accounts.stages_known then deals.created_by end as moved_by,
        cast(null as bigint) as loss_reason_id
    from {{ ref("int_amocrm__deals") }} as deals
    inner join {{ ref("int_amocrm__accounts") }} as accounts on accounts.project_id = deals.project_id
    left join moves on moves.project_id = deals.project_id and moves.deal_id = deals.deal_id and moves.nth = 1

    union all

    select
        moves.project_id,
        moves.deal_id,
        moves.nth as position,
        moves.created_at as from_at,
        moves.created_at_local as from_at_local,
        case when moves.nth_last = 1 then coalesce(deals.pipeline_id, moves.pipeline_id_new) else moves.pipeline_id_new end,
        case when moves.nth_last = 1 then coalesce(deals.status_id, moves.status_id_new) else moves.status_id_new end,
        moves.event_id,
        moves.created_by as moved_by,
        moves.loss_reason_id
    from moves
    inner join {{ ref("int_amocrm__deals") }} as deals on deals.project_id = moves.project_id and deals.deal_id = moves.deal_id
),

ended as (
    select
        stays.*,
        lead(from_at) over (partition by project_id, deal_id order by position) as left_at,
        lead(from_at_local) over (partition by project_id, deal_id order by position) as left_at_local,
        lag(pipeline_id) over (partition by project_id, deal_id order by position) as pipeline_id_before,
        lag(status_id) over (partition by project_id, deal_id order by position) as status_id_before
    from stays
)

select
    ended.project_id,
    ended.deal_id,
    ended.position,
    ended.pipeline_id,
    ended.status_id,
    ended.pipeline_id_before,
    ended.status_id_before,
    ended.from_at,
    ended.from_at_local,
    coalesce(ended.left_at, deals.deleted_at) as to_at,
    coalesce(ended.left_at_local, deals.deleted_at_local) as to_at_local,
    {{ seconds_between("ended.from_at", "coalesce(ended.left_at, deals.deleted_at)") }} as seconds,
    ended.left_at is null as is_last,
    ended.event_id,
    ended.moved_by,
    ended.loss_reason_id,
    deals.is_deleted
from ended
inner join {{ ref("int_amocrm__deals") }} as deals on deals.project_id = ended.project_id and deals.deal_id = ended.deal_id
where ended.pipeline_id is not null and ended.status_id is not null
