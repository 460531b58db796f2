"use strict";

// The sections: each counts what it shows of a choice. A block is a picture with its table; the picture is drawn of the
// table's own rows. `needs` are the tables of the account without which there is nothing to show.

const TOP = 12;
const ENOUGH = 5; // stays of which a median tells something

// What a row is called in the picture, where two of one name must not become one.
function named(rows, column) {
  const seen = new Map();
  for (const row of rows) {
    const count = seen.get(row[column]) || 0;
    seen.set(row[column], count + 1);
    row.key = row[column] === null ? null : row[column] + "\u200b".repeat(count);
  }
  return rows;
}

function keyFigures(view) {
  const figures = (rows) => {
    const sales = rows("sales");
    const won = sum(sales, "won");
    const lost = sum(sales, "lost");
    const money = sum(sales, "won_budget");
    return { created: sum(rows("created"), "deals"), won, lost, won_budget: money, rate: ratio(won, won + lost), average: ratio(money, won) };
  };
  const now = figures(view.rows);
  const before = view.before();
  const then = before && figures(before.rows);
  const open = view.rows("open");
  const figure = (id, kind) => ({ id, kind, value: now[id], before: then && then[id] });
  return [
    figure("created", "number"), { ...figure("won", "number"), note: ["kpi.lost", { count: ["number", now.lost] }] },
    figure("won_budget", "money"), figure("rate", "percent"), figure("average", "money"),
    { id: "cycle", kind: "days", value: view.closingMedian() },
    { id: "open", kind: "number", value: sum(open, "deals"), note: ["kpi.open_budget", { money: ["short", sum(open, "budget")] }] },
  ];
}

function funnel(view) {
  return grouped(view.rows("funnel"), "project_id", "pipeline_id").map((rows) => {
    const stages = grouped(rows, "status_id").map((months) => {
      const [one] = months;
      const reached = sum(months, "reached");
      const lost = sum(months, "lost");
      return {
        stage: one.status_name, kind: one.stage_kind === "won" ? "won" : "open", cohort: sum(months, "cohort_deals"), reached, lost,
        lost_share: ratio(lost, reached), ...view.stageMedian(one), kept: Math.max(reached - lost, 0),
      };
    });
    stages.forEach((row, place) => {
      row.from_previous = place ? ratio(row.reached, stages[place - 1].reached) : null;
      row.from_start = ratio(row.reached, row.cohort);
    });
    const worst = [...stages].sort(falling("lost"))[0];
    const slowest = [...stages].filter((row) => row.kind === "open" && row.stays >= ENOUGH).sort(falling("days"))[0];
    return {
      pipeline: rows[0], size: stages[0].cohort, chart: "funnel", rows: named(stages, "stage"), longest: "reached",
      label: (row, tell) => [tell.number(row.reached), row.from_start === null ? "" : tell.percent(row.from_start)].join(" · "),
      insights: [
        ...(worst.lost ? [["funnel.insight", { stage: ["text", worst.stage], lost: ["number", worst.lost], reached: ["number", worst.reached], share: ["percent", worst.lost_share] }]] : []),
        ...(slowest && slowest.days ? [["funnel.slow", { stage: ["text", slowest.stage], days: ["days", slowest.days] }]] : []),
      ],
      columns: [["stage", "text"], ["reached", "number"], ["from_previous", "percent"], ["from_start", "percent"],
        ["lost", "number", "lost_here"], ["lost_share", "percent"], ["days", "days", "median_days"]],
    };
  }).filter((block) => block.size).sort(falling("size"));
}

function money(view) {
  const sales = view.rows("sales");
  const plans = view.scope.pipeline === null ? view.rows("plans") : [];
  if (!sales.length && !plans.length) return [];
  const rows = view.months().map((month) => {
    const of = sales.filter((row) => row.month === month);
    const planned = plans.filter((row) => row.month === month);
    const won_budget = sum(of, "won_budget");
    const plan = planned.length ? sum(planned, "plan") : null;
    return { month, won: sum(of, "won"), won_budget, plan, plan_share: ratio(won_budget, plan), lost: sum(of, "lost") };
  });
  const notes = TABLES.plans.length ? (view.scope.pipeline === null ? [] : ["money.plan_of_all"]) : ["money.no_plan"];
  const plan = [["plan", "money"], ["plan_share", "percent"]];
  return [{
    chart: "money", rows, unit: ["won_budget", "plan"], notes, total: ["won", "won_budget", "lost", ...(plans.length ? ["plan"] : [])],
    columns: [["month", "month"], ["won", "number"], ["won_budget", "money"], ...(plans.length ? plan : []), ["lost", "number"]],
  }];
}

function managers(view) {
  const planned = view.scope.pipeline === null ? view.rows("plans") : [];
  const people = new Map();
  for (const name of ["sales", "plans", "stale", "tasks"]) {
    for (const group of grouped(name === "plans" ? planned : view.rows(name), "project_id", "responsible_user_id")) {
      const key = `${group[0].project_id}/${group[0].responsible_user_id}`;
      if (!people.has(key)) people.set(key, { name: group[0].responsible_name, sales: [], plans: [], stale: [], tasks: [] });
      people.get(key)[name] = group;
    }
  }
  const rows = [...people.values()].map(({ name, sales, plans, stale, tasks }) => {
    const won = sum(sales, "won");
    const lost = sum(sales, "lost");
    const won_budget = sum(sales, "won_budget");
    const plan = plans.length ? sum(plans, "plan") : null;
    return {
      name, won, won_budget, plan, plan_share: ratio(won_budget, plan), lost, rate: ratio(won, won + lost), average: ratio(won_budget, won),
      overdue: sum(tasks, "overdue"), stale: sum(stale, "deals"), label_at: Math.max(won_budget, plan || 0),
    };
  }).sort(falling("won_budget", "won", "lost"));
  return rows.length ? [{
    chart: "managers", rows, drawn: named(rows, "name").filter((row) => row.won_budget || row.plan).slice(0, TOP), longest: "won_budget", also: "plan",
    label: (row, tell) => tell.short(row.won_budget), total: ["won", "won_budget", "lost", "overdue", "stale", ...(planned.length ? ["plan"] : [])],
    columns: [["name", "text", "manager"], ["won", "number"], ["won_budget", "money"], ...(planned.length ? [["plan", "money"], ["plan_share", "percent"]] : []),
      ["lost", "number"], ["rate", "percent"], ["average", "money"], ["overdue", "number"], ["stale", "number"]],
  }] : [];
}

function reasons(view) {
  const found = view.rows("losses");
  const all = sum(found, "deals");
  const rows = grouped(found, "reason").map((of) => {
    const deals = sum(of, "deals");
    return { reason: of[0].reason, deals, share: ratio(deals, all), budget: sum(of, "budget"), missing: "reasons.none_given" };
  }).sort(falling("deals", "budget"));
  return rows.length ? [{
    chart: "reasons", rows: named(rows, "reason"), drawn: rows.slice(0, TOP), longest: "deals", total: ["deals", "budget"],
    label: (row, tell) => `${tell.number(row.deals)} · ${tell.percent(row.share)}`,
    columns: [["reason", "text"], ["deals", "number"], ["share", "percent"], ["budget", "money", "lost_budget"]],
  }] : [];
}

function sources(view) {
  const rows = grouped(view.rows("sources"), "source", "is_other").map((of) => {
    const deals = sum(of, "deals");
    const won = sum(of, "won");
    const missing = of[0].is_other ? "sources.other" : "sources.unknown";
    return { source: of[0].source, deals, won, rate: ratio(won, deals), won_budget: sum(of, "won_budget"), missing };
  }).sort(falling("deals", "won_budget"));
  return rows.length ? [{
    chart: "sources", rows: named(rows, "source"), drawn: rows.slice(0, TOP), longest: "deals", total: ["deals", "won", "won_budget"],
    notes: TABLES.sources.some((row) => row.source !== null) ? [] : ["sources.none"],
    label: (row, tell) => `${tell.number(row.deals)} · ${tell.percent(row.rate)}`,
    columns: [["source", "text"], ["deals", "number"], ["won", "number"], ["rate", "percent", "source_rate"], ["won_budget", "money"]],
  }] : [];
}

function stuck(view) {
  return grouped(view.rows("open"), "project_id", "pipeline_id").map((found) => {
    const rows = named(grouped(found, "status_id").map((of) => {
      const aged = Object.fromEntries([0, 1, 2, 3, 4].map((age) => [`age${age}`, sum(of.filter((row) => row.age === age), "deals")]));
      return { stage: of[0].status_name || `#${of[0].status_id}`, ...aged, deals: sum(of, "deals"), budget: sum(of, "budget") };
    }), "stage");
    const ages = [0, 1, 2, 3, 4].filter((age) => rows.some((row) => row[`age${age}`]));
    return {
      pipeline: found[0], size: sum(rows, "deals"), chart: "open", rows, ages, total: [...ages.map((age) => `age${age}`), "deals", "budget"],
      drawn: rows.flatMap((row) => ages.map((age) => ({ stage: row.stage, key: row.key, age_order: age, deals: row[`age${age}`] })).filter((one) => one.deals)),
      columns: [["stage", "text"], ...ages.map((age) => [`age${age}`, "number", null, `stuck.age.${age}`]), ["deals", "number"], ["budget", "money"]],
    };
  }).sort(falling("size"));
}

function stale(view) {
  const found = view.rows("stale");
  const rows = view.rows("stale_deals").slice(0, 20);
  return rows.length ? [{
    rows, insights: [["stale.insight", { deals: ["number", sum(found, "deals")], money: ["money", sum(found, "budget")] }]],
    columns: [["name", "text", "deal"], ["pipeline_name", "text", null, "filter.scope"], ["status_name", "text", "stage"], ["responsible_name", "text", "manager"],
      ["budget", "money"], ["days_without_activity", "number"], ["open_tasks", "number"]],
  }] : [];
}

function hours(view) {
  const found = view.rows("hours");
  const at = grouped(found, "hour_of_week").map((of) => [of[0].hour_of_week, sum(of, "touches")]);
  const touches = new Map(at);
  const hour = (weekday, of) => touches.get(24 * weekday + of) || 0;
  const every = [...Array(24).keys()];
  const rows = [...Array(7).keys()].map((weekday) => (
    { weekday, ...Object.fromEntries(every.map((of) => [`h${of}`, hour(weekday, of)])), touches: every.reduce((total, of) => total + hour(weekday, of), 0) }));
  return found.length ? [{
    chart: "hours", rows, narrow: true,
    drawn: rows.flatMap((row) => every.map((of) => ({ weekday: row.weekday, hour: of, touches: row[`h${of}`] }))),
    columns: [["weekday", "weekday"], ...every.map((of) => [`h${of}`, "number", null, null, String(of)]), ["touches", "number", null, "total"]],
  }] : [];
}

function work(view) {
  const counts = ["calls_out", "calls_in", "talk_seconds", "messages", "notes", "stage_moves", "tasks_done"];
  const rows = grouped(view.rows("work"), "project_id", "user_id").map((of) => (
    { name: of[0].user_name, ...Object.fromEntries(counts.map((column) => [column, sum(of, column)])) }))
    .filter((row) => counts.some((column) => row[column])).sort(falling("calls_out", "stage_moves", "tasks_done"));
  return rows.length ? [{
    rows, total: counts,
    columns: [["name", "text", "manager"], ...counts.map((column) => (column === "talk_seconds" ? [column, "hours", "talk_hours"] : [column, "number"]))],
  }] : [];
}

function freshness(view) {
  const rows = view.rows("freshness").filter((row) => row.is_there);
  const account = (row) => TABLES.accounts.find((one) => one.project_id === row.project_id);
  return rows.length ? [{
    rows: rows.map((row) => ({ ...row, account: account(row).name || row.project_id, zone: account(row).time_zone })),
    columns: [...(TABLES.accounts.length > 1 ? [["account", "text"]] : []), ["source_table", "text", "table"], ["row_count", "number", "rows"], ["newest_at", "moment", "newest"]],
  }] : [];
}

const SECTIONS = [
  { id: "funnel", count: funnel, needs: ["deals"], wide: true },
  { id: "money", count: money, needs: ["deals"], wide: true },
  { id: "managers", count: managers, needs: ["deals"], wide: true },
  { id: "reasons", count: reasons, needs: ["deals"] },
  { id: "sources", count: sources, needs: ["deals"] },
  { id: "stuck", count: stuck, needs: ["deals"], wide: true },
  { id: "stale", count: stale, needs: ["deals"], wide: true },
  { id: "hours", count: hours, needs: ["calls", "messages", "notes", "tasks", "deal_statuses"], wide: true },
  { id: "work", count: work, needs: ["calls", "messages", "notes", "tasks", "deal_statuses"], wide: true },
  { id: "freshness", count: freshness, needs: [], wide: true },
];
