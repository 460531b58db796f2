"use strict";

// The sections of the page. Each returns blocks for a view (a choice's rows); a block is a table, with or without a chart of
// its rows; `groups` of its columns: a key of texts and how many. sections.json declares them: `needs`: tables of the connector, one of
// which (with `needs_all` each of which) must have been read; `of`: tables of the page; `of_deals`: filters by tag, source and field
// apply, because the section is of deals alone, or they cannot concern it; `when`: of which days it is; `open` on the first visit.

const { TOP, ENOUGH, SALES, USUAL_MONTHS, UNUSUAL, OF_MONTH, FEWER_IS_BETTER, DONE, BESIDE, REASONS_BESIDE, COHORT_MONTHS, AGES, PLACES,
  LISTED, QUEUE_SHOWN, STALE_SHOWN, REASONS, LEVELS, SPEEDS, GAINS, LOSSES, CROSSED, CLIENTS, SHOWN_BY, NOW, LANGUAGES, FIRST_DAYS } = embedded("constants");
const isWon = countsIn("won");

// A function that returns the deals behind a number: of a metric of deals those that count in it, else all of the row. A share's are
// those of its whole. Null: the number is not of deals.
function dealsOf(row, column) {
  if (row.opens && column in row.opens) return row.opens[column];
  if (!row.of) return null;
  const { of, share } = METRICS[column] || {};
  if (share) return dealsOf(row, share[1]);
  return of === "deals" ? () => row.of.filter(isCase(column)) : ["deals", "share", "budget"].includes(column) ? () => row.of : null;
}

// Gives each row its key in the chart: its name, made unique, because a chart unites rows with one key.
function named(rows, column) {
  const seen = new Map();
  for (const row of rows) {
    const count = seen.get(row[column]) || 0;
    seen.set(row[column], count + 1);
    row.key = row[column] === null ? null : row[column] + "\u200b".repeat(count);
  }
  return rows;
}

// Days after which at most half of the stays last (Kaplan and Meier): a stay that is not over lasts at least until now. Null if
// more than half still last.
function halfLeft(stays) {
  const sorted = [...stays].sort((one, other) => one.lasted - other.lasted || other.is_over - one.is_over);
  let left = 1;
  for (const [place, stay] of sorted.entries()) {
    const atRisk = sorted.length - place;
    if (stay.is_over) left *= (atRisk - 1) / atRisk;
    if (stay.is_over && left <= 0.5 + 1e-9) return stay.lasted / 10;
  }
  return null;
}

// The same of a figure, whose rows are the deals created or closed in the period, or those open now.
function ofFigure(view, id) {
  const { share, day } = METRICS[id];
  if (share) return ofFigure(view, share[1]);
  const of = { created: view.created, closed: view.closed }[day] || view.open;
  return () => of().filter(isCase(id));
}

function keyFigures(view) {
  const figures = (of) => ({ ...metrics(of.created(), "created"), ...metrics(of.closed(), ...SALES, "rate", "average", "days_to_win") });
  const all = { ...figures(view), ...metrics(view.open(), "open", "open_budget", ...LIVE) };
  const before = view.before();
  const [now, then] = before ? [figures(view.so_far), figures(before)] : [{}, {}];
  const cases = (id) => (METRICS[id].share || METRICS[id].day ? [casesOf(id, view), before ? casesOf(id, before) : 0] : []);
  const notes = { won: ["kpi.lost", { count: ["number", all.lost] }], open: ["kpi.open_budget", { money: ["short", all.open_budget] }],
    live: ["kpi.live", { money: ["short", all.live_budget], dead: ["number", all.dead], dead_money: ["short", all.dead_budget] }] };
  return ["created", "won", "won_budget", "rate", "average", "days_to_win", knowsDead(view) ? "live" : "open"].map((id) => (
    { id, kind: METRICS[id].unit, value: all[id], now: now[id], then: then[id], cases: cases(id), note: notes[id], deals: ofFigure(view, id) }));
}

// Why a view has no plan, as a sentence.
function noPlan(view) {
  if (!TABLES.plans.length) return ["money.no_plan", {}];
  if (view.isFiltered) return ["money.plan_of_deals", {}];
  if (view.scope.pipeline !== null) return ["money.plan_of_all", {}];
  if (!view.planned) return ["money.plan_of_months", {}];
  return view.who ? ["money.no_plan_of_who", { name: ["text", view.who.name] }] : ["money.no_plan_of_period", {}];
}

// Why a view has no forecast, as a sentence. Of one that could not be built the top of the page says so.
function noForecast(view, ahead) {
  if (!TABLES.forecast && !DATA.only) return [];
  if (view.who || DATA.only) return [["month.forecast_of_all", {}]];
  if (view.isFiltered) return [["month.forecast_of_deals", {}]];
  return [[ahead.length ? "month.forecast_of_accounts" : "month.no_forecast", {}]];
}

// That new leads wait for a first touch, and for how long the oldest has.
function untouched(view) {
  const found = view.isFiltered || !TABLES.untouched ? [] : view.now("untouched");
  const oldest = Math.max(...found.map((row) => row.working_minutes));
  return found.length ? [["month.untouched", { count: ["number", sum(found, "deals")], waited: ["since_it_came", oldest] }]] : [];
}

// The present month: sales, plan and forecast; leads and what became of them; and a sentence for each number that is unusual: it
// lies outside those of the same days of each of the last six months, and is a fifth or more away from their median.
function thisMonth(view) {
  const counted = (of) => ({ ...metrics(of.created(), "created", "first_touch"), ...metrics(of.closed(), "won_budget", "won", "lost") });
  const { today, period } = view;
  const monthsAgo = (months) => [firstOf(shifted(monthOf(today), -months)), DATA.as_today[today][months]];
  const past = [...Array(USUAL_MONTHS).keys()].map((place) => monthsAgo(place + 1)).filter(([first]) => first >= sinceOf(view.scope.project)).map((days) => view.between(...days));
  const usual = past.map(counted);
  const [all, now, then] = [counted(view), counted(view.so_far), usual[0] || {}];
  const plans = TABLES.plans ? view.plans() : [];
  const plan = plans.length ? sum(plans, "plan") : null;
  const of_plan = sum(plans, "won_budget");
  const days = Math.max(workdays(today, period.last), 1);
  const passed = workdays(period.first, period.last) ? workdays(period.first, today) / workdays(period.first, period.last) : (today - period.first + 1) / (period.last - period.first + 1);
  const needed = plan === null ? null : Math.max(plan - of_plan, 0) / days;
  const ahead = view.who || view.isFiltered || !TABLES.forecast ? [] : TABLES.forecast.filter((row) => !row.months_back && !row.months_ahead && row.pipeline_id === view.scope.pipeline && view.inScope(row));
  const { expected = null, low = null, high = null } = ahead.length === 1 ? ahead[0] : {}; // intervals of several accounts have no sum
  const unusual = usual.length < USUAL_MONTHS ? [] : ["won_budget", ...OF_MONTH].flatMap((id) => {
    const known = usual.map((one) => one[id]).filter((value) => value !== null);
    const middle = median(known);
    const isOutside = now[id] > Math.max(...known) || now[id] < Math.min(...known);
    if (now[id] === null || known.length < USUAL_MONTHS || !middle || !isOutside || Math.abs(now[id] / middle - 1) < UNUSUAL) return [];
    if (!isComparable(id, casesOf(id, view.so_far), median(past.map((of) => casesOf(id, of))))) return [];
    const kind = METRICS[id].unit === "money" ? "short" : METRICS[id].unit;
    return [[now[id] > middle ? "month.more" : "month.less", { name: ["name", id], value: [kind, now[id]], usual: [kind, middle] }]];
  });
  const short = plan !== null && high !== null && high < plan ? [["month.short", { high: ["short", high], lack: ["short", plan - high] }]] : [];
  return {
    view, all, now, then, cases: (id) => [casesOf(id, view), past.length ? casesOf(id, past[0]) : 0], plan, of_plan, plan_share: ratio(of_plan, plan), needed, days, passed, expected, low, high, insights: [...untouched(view), ...short, ...live(view, plan, of_plan), ...unusual],
    has_forecast: ahead.length === 1, month: monthOf(today), before: usual.length ? monthsAgo(1) : null,
    missing: [...(plan === null && TABLES.plans ? [noPlan(view)] : []), ...(ahead.length === 1 ? [] : noForecast(view, ahead))],
  };
}

// Open deals, live and dead apart, and how far the live ones cover what the plan still lacks.
function live(view, plan, sold) {
  if (!view.open().length || !knowsDead(view)) return [];
  const [open, lack] = [metrics(view.open(), ...LIVE), plan === null ? 0 : Math.max(plan - sold, 0)];
  return [[lack ? "month.coverage" : "month.live", {
    live: ["number", open.live], live_money: ["money", open.live_budget], dead: ["number", open.dead], dead_money: ["money", open.dead_budget],
    lack: ["money", lack], share: ["percent", ratio(open.live_budget, lack)],
  }]];
}

// Whether it is known of all accounts of a view which of their deals are stale, and dead.
const knowsDead = (view) => TABLES.accounts.every((row) => !view.inScope(row) || row.knows_activity);
const LIVE = ["live", "live_budget", "dead", "dead_budget"];

// The stale deals of a view, or those of another metric, the highest budgets first.
const forgotten = (view, name = "stale") => view.open().filter(countsIn(name))
  .sort((one, other) => falling("budget", "days_without_activity")(one, other) || one.deal_id - other.deal_id);

// In the first days of a month the month that has ended; else null.
function endedMonth(view) {
  const now = monthOf(view.today);
  if (view.today - firstOf(now) >= FIRST_DAYS) return null;
  const [ended, before] = [-1, -2].map((by) => shifted(now, by)).map((month) => chosen(view.scope, ofMonths(month, "month", month, month), view.who));
  if (ended.period.last < sinceOf(view.scope.project)) return null;
  const counted = (of) => ({ ...metrics(of.closed(), "won_budget", "won", "lost"), ...metrics(of.created(), "created") });
  const plans = TABLES.plans ? ended.plans() : [];
  const [plan, of_plan] = [plans.length ? sum(plans, "plan") : null, sum(plans, "won_budget")];
  const hasBefore = before.period.first >= sinceOf(view.scope.project);
  const paid = grouped(ended.costs(), "source").map((of) => {
    const ofSource = (rows) => rows.filter((row) => row.source === of[0].source);
    return returns(of, ofSource(ended.created()), ofSource(ended.closed().filter(isWon)));
  });
  const cost = sum(paid, "cost");
  const costs = cost ? ["ended.costs", { cost: ["money", cost], romi: ["percent", sum(paid, "brought") / cost - 1], romi_sold: ["percent", sum(paid, "sold") / cost - 1] }] : null;
  return { view: ended, costs, month: shifted(now, -1), all: counted(ended), then: hasBefore ? counted(before) : {}, cases: (id) => [casesOf(id, ended), hasBefore ? casesOf(id, before) : 0], plan, of_plan, plan_share: ratio(of_plan, plan) };
}

// A line for the last day of work, and one for the last week.
function recent(view) {
  let day = view.today - 1;
  while (day > view.today - 30 && !workdays(day, day)) day -= 1;
  const monday = view.today - ((view.today + 3) % 7) - 7;
  return [["recent.day", day, day], ["recent.week", monday, monday + 6]].filter(([, first]) => first >= sinceOf(view.scope.project)).map(([key, first, last]) => {
    const of = view.between(first, last);
    const { created, won, lost, won_budget: sold } = { ...metrics(of.created(), "created"), ...metrics(of.closed(), "won", "lost", "won_budget") };
    return [key, { days: ["span", [first, last]], created: ["number", created], won: ["number", won], lost: ["number", lost], money: ["money", sold] }];
  });
}

// The sentence about the days that are compared: of a period that is not over, those up to today.
const comparedDays = (view, before) => [view.period.last < view.today ? "compared" : "compared.so_far", {
  now: ["span", [view.period.first, view.last]], then: ["span", [before.first, before.last]],
}];

// The people whom rows name, each with the rows of each list; `lists`: by name the rows, and the column of the user.
function byPerson(lists) {
  const people = new Map();
  for (const [name, [rows, user]] of Object.entries(lists)) {
    for (const of of grouped(rows, "project_id", user)) {
      const [{ project_id: project, [user]: id, name_alone = null }] = of;
      const key = `${project}/${id}`;
      if (!people.has(key)) people.set(key, { project, name: nameOf(project, id) || name_alone, ...Object.fromEntries(Object.keys(lists).map((one) => [one, []])) });
      people.get(key)[name].push(...of);
    }
  }
  return [...people.values()];
}

// The present month of each person: what is sold of the plan and expected, what is open and alive, and what was done.
function people(view) {
  const [month, own, unknown] = [ofThisMonth(view.scope, view.who), "responsible_user_id", unread(view, ...Object.values(DONE))];
  const more = (name, rows) => [TABLES[name] && !view.isFiltered ? rows() : [], own];
  const done = (name, value) => (view.isFiltered || unknown.includes(DONE[name]) ? null : value);
  const found = byPerson({
    closed: [month.closed(), "closer_id"], created: [month.created(), own], open: [view.open().filter((row) => !row.is_dead), own], plans: [view.month_plans(), own],
    outlook: more("outlook", () => view.now("outlook")), work: more("work", month.work), calls: more("calls", month.calls), tasks: more("tasks", () => view.now("tasks")),
  });
  const rows = found.map(({ name, closed, created, open, plans, outlook, work, calls, tasks }) => {
    const [sold, plan] = [metrics(closed, "won_budget"), plans.length ? sum(plans, "plan") : null];
    const opened = { won_budget: closed, created, first_touch_working: created, open_budget: open };
    return {
      name, missing: "user.nobody", ...sold, plan, plan_share: ratio(sum(plans, "won_budget"), plan), ...metrics(created, "created", "first_touch_working"), ...metrics(open, "open_budget"),
      expected: TABLES.outlook && !view.isFiltered ? sold.won_budget + sum(outlook, "expected") : null,
      calls_out: done("calls_out", sum(work, "calls_out")), answered: done("answered", sum(calls, "incoming_calls") - sum(calls, "missed_calls")),
      tasks_done: done("tasks_done", sum(work, "tasks_done")), overdue: done("overdue", sum(tasks, "overdue")),
      opens: Object.fromEntries(Object.entries(opened).filter(([, of]) => of.length).map(([id, of]) => [id, () => of.filter(isCase(id))])),
    };
  }).filter((row) => row.plan || row.expected || ["won_budget", "open_budget", "created", ...Object.keys(DONE)].some((name) => row[name])).sort(falling("won_budget", "expected", "open_budget"));
  const columns = [["name", "text", "owner"], ["plan", "short"], ["won_budget", "short"], ["plan_share", "percent"], ["expected", "short", "person_expected"], ["open_budget", "short", "live_budget"], ["created", "number"],
    ["first_touch_working", "working"], ...Object.keys(DONE).map((name) => [name, "number", name === "answered" ? "calls_answered" : null])].filter(([name]) => !["plan", "plan_share"].includes(name) || rows.some((row) => row.plan));
  return rows.length ? [{ cards: true, rows, columns, total: columns.map(([name]) => name).filter((name) => !["name", "plan_share", "first_touch_working"].includes(name)) }] : [];
}

const dealOf = (row) => TABLES.deals[row.deal];

function funnel(view) {
  const stays = new Map(grouped(view.stays(), "project_id", "pipeline_id", "status_id").map((of) => [`${of[0].project_id}/${of[0].pipeline_id}/${of[0].status_id}`, of]));
  const known = new Map(TABLES.accounts.map((row) => [row.project_id, row.stages_known]));
  return grouped(view.ways(), "project_id", "pipeline_id").map((ways) => {
    const [{ project_id: project, pipeline_id: pipeline }] = ways;
    const way = TABLES.stages.filter((row) => row.project_id === project && row.pipeline_id === pipeline && row.stage_kind !== "lost");
    const hasHistory = known.get(project);
    const gone = ways.filter((row) => row.lost_from_status_id !== null && !way.some((stage) => stage.status_id === row.lost_from_status_id)).length;
    let previous = null;
    const stages = way.map((stage) => {
      const unsorted = stage.stage_kind === "unsorted";
      const came = ways.filter((row) => (unsorted ? row.was_unsorted : row.furthest_sort !== null && row.furthest_sort >= stage.status_sort));
      const left = ways.filter((row) => row.lost_from_status_id === stage.status_id);
      const [reached, lost] = [came.length, hasHistory ? left.length : null];
      const there = isWon(stage) ? [] : stays.get(`${project}/${pipeline}/${stage.status_id}`) || [];
      const staying = there.filter((row) => !row.is_over);
      const days = halfLeft(there);
      const from_previous = unsorted || previous === null ? null : ratio(reached, previous);
      if (!unsorted) previous = reached;
      return {
        stage: stage.status_name, kind: isWon(stage) ? "won" : "open", reached, lost_here: lost, lost_share: hasHistory ? ratio(lost, reached) : null, from_previous,
        from_start: ratio(reached, ways.length), median_days: days, median_days_missing: staying.length ? "funnel.half_there" : null, still: isWon(stage) || !hasHistory ? null : staying.length,
        stays: there.length, kept: Math.max(reached - (lost || 0), 0),
        opens: { reached: () => came.map(dealOf), lost_here: () => left.map(dealOf), still: () => staying.map(dealOf) },
      };
    });
    const often = stages.filter((row) => row.stays >= ENOUGH).map((row) => ({ ...row, still_share: ratio(row.still, row.stays) }));
    const worst = stages.filter((row) => row.reached >= ENOUGH && row.lost_here).sort(falling("lost_share", "lost_here"))[0];
    const slowest = often.filter((row) => row.median_days).sort(falling("median_days"))[0];
    const standing = often.filter((row) => row.median_days === null && row.still > ways.length / 20).sort(falling("still_share", "still"))[0];
    return {
      pipeline: ways[0], size: stages.length && ways.length, chart: "funnel", opens: "reached", rows: named(stages, "stage"), longest: "reached",
      label: (row, tell) => [tell.number(row.reached), row.from_start === null ? "" : tell.percent(row.from_start)].join(" · "),
      insights: [
        ...(worst ? [["funnel.insight", { stage: ["text", worst.stage], lost: ["number", worst.lost_here], reached: ["number", worst.reached], share: ["percent", worst.lost_share] }]] : []),
        ...(standing ? [["funnel.standing", { stage: ["text", standing.stage], still: ["number", standing.still], stays: ["number", standing.stays], share: ["percent", standing.still_share] }]]
          : slowest ? [["funnel.slow", { stage: ["text", slowest.stage], days: ["days", slowest.median_days] }]] : []),
      ],
      notes: !hasHistory ? ["funnel.no_history"] : gone ? [["funnel.gone", { lost: ["number", gone] }]] : [],
      columns: [["stage", "text"], ["reached", "number"], ["from_previous", "percent"], ["from_start", "percent"],
        ["lost_here", "number"], ["lost_share", "percent"], ["median_days", "days"], ["still", "number"]],
    };
  }).filter((block) => block.size).sort(falling("size"));
}

// The two people or teams of the choice `ids`; whoever is missing in it is a manager with the highest sales of the period, undefined
// if nobody else sold.
function pairOf(view, ids) {
  const { teams, people } = whos(view.scope);
  const all = [...teams, ...people];
  const sold = new Map(grouped(view.closed().filter(isWon), "project_id", "closer_id").map((of) => [`${of[0].project_id}/${of[0].closer_id}`, metric("won_budget", of)]));
  const best = people.filter((one) => isPerson(one.project, one.users[0]) && sold.get(one.id) > 0).sort((one, other) => sold.get(other.id) - sold.get(one.id));
  const named = ids.map((id) => all.find((one) => one.id === id));
  return named.map((one) => one || best.find((other) => !named.includes(other) && named.push(other)));
}

// Two people or teams side by side: what they sold, and their deals through the funnel of each pipeline.
function sides(view) {
  const pair = pairOf(view, state.sides);
  const { teams, people } = whos(view.scope);
  if (teams.length + people.length < 2) return [];
  if (pair.includes(undefined)) return [{ rows: [], columns: [], notes: [pair.some(Boolean) ? "sides.one" : "sides.nobody"] }];
  const views = pair.map((who) => chosen(view.scope, view.period, who));
  const funnels = views.map((one) => new Map(funnel(one).map((block) => [`${block.pipeline.project_id}/${block.pipeline.pipeline_id}`, block])));
  const rows = views.map((one, at) => ({ name: pair[at].name, ...metrics(one.created(), "created", "first_touch"), ...metrics(one.closed(), "won", "won_budget", "lost", "rate", "average", "days_to_win"),
    opens: { created: () => one.created(), ...Object.fromEntries(["first_touch", "won", "won_budget", "lost", "rate", "average", "days_to_win"].map((id) => [id, ofFigure(one, id)])) } }));
  const shown = [["reached", "number"], ["from_previous", "percent"], ["lost_share", "percent"], ["median_days", "days"]];
  const every = [...new Set(funnels.flatMap((one) => [...one.keys()]))];
  return [
    { title: "sides.figures", rows, cards: true, groups: [["", 1], ["group.created", 2], ["group.closed", 6]], columns: [["name", "text", "manager"], ["created", "number"], ["first_touch", "minutes"], ["won", "number"], ["won_budget", "money"], ["lost", "number"], ["rate", "percent"], ["average", "money"], ["days_to_win", "days"]] },
    ...every.map((key) => {
      const both = funnels.map((one) => one.get(key));
      const stages = (both[0] || both[1]).rows.map(({ stage }, place) => {
        const of = both.map((block) => (block ? block.rows[place] : { reached: 0, from_previous: null, lost_share: null, median_days: null, opens: {} }));
        const put = (name, at) => [[`${name}${at}`, of[at][name]], [`${name}${at}_missing`, of[at][`${name}_missing`]]];
        return { stage, ...Object.fromEntries(shown.flatMap(([name]) => [...put(name, 0), ...put(name, 1)])), opens: { reached0: of[0].opens.reached, reached1: of[1].opens.reached } };
      });
      return {
        pipeline: (both[0] || both[1]).pipeline, rows: stages, cards: true, notes: ["group.created"],
        columns: [["stage", "text"], ...shown.flatMap(([name, kind]) => pair.map((who, at) => [`${name}${at}`, kind, null, null, `${who.name}: ${said(`column.${name}`)}`]))],
      };
    }),
  ];
}

// Splits the period, up to the day `last`: into months if it consists of months or is long, else into weeks or days.
function parts({ period }, last) {
  if (last < period.first) return [];
  const length = last - period.first + 1;
  if (period.whole || length > 185) {
    return monthsBetween(period.first, last).map((month) => ({ bucket: month, first: Math.max(firstOf(month), period.first), last: Math.min(lastOf(month), last) }));
  }
  const step = length > 31 ? 7 : 1;
  return [...Array(Math.ceil(length / step)).keys()].map((place) => {
    const first = period.first + step * place;
    return { bucket: textOf(first), first, last: Math.min(first + step - 1, last) };
  });
}

function money(view) {
  const closed = view.closed();
  const plans = TABLES.plans ? view.plans() : [];
  if (!closed.length && !plans.length) return [];
  // deals may be dated as closed in the future: future parts without such deals are left out
  const end = closed.reduce((latest, row) => Math.max(latest, row.closed), view.last);
  const rows = parts(view, end).flatMap(({ bucket, first, last }) => {
    const of = closed.filter((row) => row.closed >= first && row.closed <= last);
    if (first > view.last && !of.length) return [];
    const planned = plans.filter((row) => monthOf(row.month) === bucket);
    const plan = planned.length ? sum(planned, "plan_so_far") : null;
    const of_plan = sum(planned, "won_budget");
    return { month: bucket, of, ...metrics(of, ...SALES), plan, plan_share: ratio(of_plan, plan), others: plan === null ? 0 : metric("won_budget", of) - of_plan };
  });
  const others = sum(rows, "others");
  const notes = plans.length ? ["money.of_plan"] : TABLES.plans ? [noPlan(view)] : [];
  const plan = [["plan", "money"], ["plan_share", "percent"]];
  return [{
    chart: "money", opens: "won", rows, insights: others > 0 ? [["money.others", { others: ["money", others] }]] : [], unit: ["won_budget", "plan"], notes, total: ["won", "won_budget", "lost", ...(plans.length ? ["plan"] : [])],
    columns: [["month", "bucket", "bucket"], ["won", "number"], ["won_budget", "money"], ...(plans.length ? plan : []), ["lost", "number"]],
  }];
}

function managers(view) {
  const own = "responsible_user_id";
  const people = byPerson({
    sales: [view.closed(), "closer_id"], plans: [TABLES.plans ? view.plans() : [], own], stale: [forgotten(view), own],
    tasks: [TABLES.tasks && !view.isFiltered ? view.now("tasks") : [], own],
  });
  const planned = people.some(({ plans }) => plans.length);
  const months = monthsBetween(view.period.first, Math.max(view.last, view.period.first)).length;
  const knows = new Map(TABLES.accounts.map((row) => [row.project_id, { tasks: !view.isFiltered && TABLES.tasks && row.knows_overdue_task, stale: row.knows_activity }]));
  const rows = people.map(({ project, name, sales, plans, stale, tasks }) => {
    const sold = metrics(sales, ...SALES, "rate", "average");
    const plan = plans.length ? sum(plans, "plan_so_far") : null;
    return {
      name, of: sales, opens: { stale: () => stale }, ...sold, plan, plan_share: ratio(sum(plans, "won_budget"), plan), overdue: knows.get(project).tasks ? sum(tasks, "overdue") : null, stale: knows.get(project).stale ? stale.length : null,
      mark: new Set(plans.map((row) => row.month)).size === months ? plan : null, // a plan of fewer months would look missed or met beside the sales of all
    };
  }).sort(falling("won_budget", "won", "lost"));
  const present = TABLES.accounts.some((row) => !row.owners_known && view.inScope(row));
  const before = view.before();
  const compared = beside(view.so_far.closed(), before && before.closed(), (row) => isPerson(row.project_id, row.closer_id), "project_id", "closer_id")
    .map(({ row, ...own }) => ({ name: nameOf(row.project_id, row.closer_id), ...own }));
  return rows.length ? [{
    chart: "managers", opens: "won", rows, drawn: named(rows, "name").filter((row) => row.won_budget || row.plan).slice(0, TOP), longest: "won_budget", also: "mark",
    notes: [...(present ? ["managers.present"] : []), ...(rows.some((row) => row.plan !== null && row.mark === null) ? ["money.of_plan", "managers.plan_in_part"] : [])],
    label: (row, tell) => tell.short(row.won_budget), total: ["won", "won_budget", "lost", "overdue", "stale", ...(planned ? ["plan"] : [])],
    columns: [["name", "text", "manager"], ["won", "number"], ["won_budget", "money"], ...(planned ? [["plan", "money"], ["plan_share", "percent"]] : []),
      ["lost", "number"], ["rate", "percent"], ["average", "money"], ["overdue", "number"], ["stale", "number"]],
  }, ...(compared.length > 1 ? [{
    title: "managers.beside", rows: compared, total: ["won_budget", "was"], columns: [["name", "text", "manager"], ...BESIDE, ["rate", "percent"], ["rate_was", "percent"]],
    notes: before ? [comparedDays(view, before)] : [],
  }] : [])] : [];
}

// The won budgets of each manager or source, beside those of the days before and beside the median of those that are compared.
function beside(now, before, isCompared, ...columns) {
  const key = (row) => JSON.stringify(columns.map((column) => row[column]));
  const sold = (rows) => new Map(grouped(rows, ...columns).map((of) => [key(of[0]), of]));
  const [then, present] = [before && sold(before), sold(now)];
  const firsts = new Map([...(before || []), ...now].filter(isWon).map((row) => [key(row), row]));
  const people = [...firsts].filter(([, row]) => isCompared(row)).map(([one]) => (present.get(one) || []).filter(isWon));
  const [middle, enough] = [median(people.map((of) => metric("won_budget", of))), median(people.map((of) => of.length)) >= DATA.few];
  return [...firsts].map(([one, row]) => {
    const [all, before_all] = [present.get(one) || [], then ? then.get(one) || [] : null];
    const [own, old] = [all.filter(isWon), before_all && before_all.filter(isWon)];
    const [won_budget, was] = [metric("won_budget", own), old && metric("won_budget", old)];
    const isFew = !old || old.length < DATA.few;
    return {
      row, won_budget, was, change: was && !isFew ? won_budget / was - 1 : null, change_missing: was && isFew ? "few.cell" : null,
      of_median: isCompared(row) && enough ? ratio(won_budget, middle) : null, of_median_missing: isCompared(row) && !enough ? "few.cell" : null,
      rate: metric("rate", all), rate_was: before_all && metric("rate", before_all),
      opens: { won_budget: () => own, was: () => old, rate: () => all },
    };
  }).sort(falling("won_budget", "was"));
}

function reasons(view) {
  const found = view.closed().filter(countsIn("lost"));
  const rows = grouped(found, "reason").map((of) => (
    { reason: of[0].reason, of, deals: of.length, share: ratio(of.length, found.length), ...metrics(of, "lost_budget"), missing: "reasons.none_given" }
  )).sort(falling("deals", "lost_budget"));
  return rows.length ? [{
    chart: "reasons", opens: "deals", rows: named(rows, "reason"), drawn: rows.slice(0, TOP), longest: "deals", total: ["deals", "lost_budget"],
    label: (row, tell) => `${tell.number(row.deals)} · ${tell.percent(row.share)}`,
    columns: [["reason", "text"], ["deals", "number"], ["share", "percent"], ["lost_budget", "money"]],
  }, ...reasonsByPart(view, found, rows)] : [];
}

// How many deals were lost for each reason in each month, week or day of the period.
function reasonsByPart(view, lost, reasons) {
  const beside = reasons.slice(0, reasons.length > REASONS_BESIDE + 1 ? REASONS_BESIDE : reasons.length);
  const place = new Map(beside.map((row, at) => [row.reason, `reason${at}`]));
  const columns = [...place.values(), ...(beside.length < reasons.length ? ["others"] : [])];
  const rows = parts(view, view.last).map(({ bucket, first, last }) => {
    const of = lost.filter((row) => row.closed >= first && row.closed <= last);
    const by = new Map(grouped(of.map((row) => ({ row, column: place.get(row.reason) || "others" })), "column").map((group) => [group[0].column, group.map(({ row }) => row)]));
    return {
      month: bucket, of, deals: of.length, ...Object.fromEntries(columns.map((column) => [column, (by.get(column) || []).length])),
      opens: Object.fromEntries(columns.map((column) => [column, () => by.get(column) || []])),
    };
  }).filter((row) => row.deals);
  const head = (column) => (column === "others" ? said("sources.other") : beside[columns.indexOf(column)].reason || said("reasons.none_given"));
  return rows.length > 1 ? [{
    title: "reasons.by_month", rows, total: [...columns, "deals"],
    columns: [["month", "bucket", "bucket"], ...columns.map((column) => [column, "number", null, null, head(column)]), ["deals", "number", null, "total"]],
  }] : [];
}

// Deals created in the period by `column`, their source or the field that `by` names. Costs are those of sources.
function bySource(view, column) {
  const named_as = (name) => ({ source: name === true ? null : name, missing: name === true ? "sources.other" : `${column}.unknown` }); // true: one that the page does not name
  const paid = new Map(column === "source" ? grouped(view.costs(), "source").map((of) => [of[0].source, of]) : []);
  const [found, ended] = [view.created(), view.closed().filter(isWon)].map((rows) => new Map(grouped(rows, column).map((of) => [of[0][column], of])));
  const rows = [...new Set([...found.keys(), ...ended.keys(), ...paid.keys()])].map((name) => {
    const [of, won] = [found.get(name) || [], ended.get(name) || []];
    const { created: deals, ...sold } = metrics(of, "created", "won_of_created", "source_rate", "won_of_created_budget");
    return { ...named_as(name), of, deals, ...sold, ...metrics(won, "won", "won_budget"), opens: { won: () => won, won_budget: () => won }, ...(paid.has(name) ? returns(paid.get(name), of, won) : {}) };
  }).sort(falling("deals", "won_of_created_budget"));
  const before = view.before();
  const compared = beside(view.created(), before && wonBy(before.created(), before.today), () => true, column).map(({ row, ...own }) => ({ ...named_as(row[column]), ...own }));
  const head = column === "source" ? ["source", "text"] : ["source", "text", "by"];
  return rows.length ? [{
    chart: "sources", opens: "deals", rows: named(rows, "source"), drawn: rows.filter((row) => row.deals).slice(0, TOP), longest: "deals", total: ["deals", "won_of_created", "won_of_created_budget", "won", "won_budget"], groups: [["", 1], ["group.created", 4], ["group.closed", 2]],
    notes: [
      ...(TABLES.deals.some((row) => row[column] !== null) ? [] : [`${column}.none`]),
      ...(view.scope.project !== null && TABLES.accounts.length > 1 && view.costs().some((row) => row.project_id === null) ? ["sources.costs_of_no_account"] : []),
      ...(TABLES.costs && column === "source" && !paid.size ? [view.hasCosts ? "sources.no_costs" : "sources.costs_of_months"] : []),
    ],
    label: (row, tell) => `${tell.number(row.deals)} · ${tell.percent(row.source_rate)}`,
    columns: [head, ["deals", "number"], ["won_of_created", "number"], ["source_rate", "percent"], ["won_of_created_budget", "money"], ["won", "number"], ["won_budget", "money"]],
  }, ...(compared.length > 1 ? [{
    title: "beside.title", rows: compared, total: ["won_budget", "was"], columns: [head, ["won_budget", "money", "won_of_created_budget"], ...BESIDE.slice(1).map(([name, kind]) => [name, kind, `source_${name}`])],
    notes: before ? [comparedDays(view, before), ["sources.won_by", { day: ["bucket", textOf(before.today)] }]] : [],
  }] : []), ...(paid.size ? [{
    title: "sources.costs_title", rows: rows.filter((row) => row.cost_months).sort(falling("cost")), total: ["cost"], notes: ["sources.costs"],
    columns: [head, ["cost", "money"], ["cost_months", "number"], ["cost_of_deal", "money"], ["cost_of_won", "money"], ["romi", "percent"], ["still_open", "open_of"], ["romi_sold", "percent"]],
  }] : [])] : [];
}

const sources = (view) => bySource(view, "source");
const by = (view) => bySource(view, "by_value");

// What the deals of the accounts and months that have costs cost and brought. Costs without an account are those of each.
function returns(costs, deals, sold) {
  const cost = sum(costs, "cost");
  const paid = (day) => (deal) => costs.some((row) => monthOf(row.month) === monthOf(deal[day]) && (row.project_id === null || row.project_id === deal.project_id));
  const { created, won_of_created, won_of_created_budget, open } = metrics(deals.filter(paid("created")), "created", "won_of_created", "won_of_created_budget", "open");
  const sold_for = sum(sold.filter(paid("closed")), "budget");
  return { cost, brought: won_of_created_budget, sold: sold_for, paid_deals: created, still_open: created ? open : null, cost_months: new Set(costs.map((row) => monthOf(row.month))).size,
    cost_of_deal: ratio(cost, created), cost_of_won: ratio(cost, won_of_created), romi: cost ? (won_of_created_budget - cost) / cost : null, romi_sold: cost ? (sold_for - cost) / cost : null };
}

// Deals of an earlier period that were won as early as those of this one had to be.
const wonBy = (deals, day) => deals.filter((row) => isWon(row) && row.closed !== null && row.closed <= day);

// By month of creation: the share of deals that were won by the end of that month and of later months; null if the month is not over.
function cohorts(view) {
  const now = monthOf(view.today);
  const rows = grouped(view.created().map((row) => ({ ...row, month: monthOf(row.created) })), "month").map((of) => {
    const [{ month }, won] = [of[0], of.filter(isWon)];
    const within = (months) => (shifted(month, months) < now ? ratio(won.filter((row) => row.closed !== null && monthOf(row.closed) <= shifted(month, months)).length, of.length) : null);
    return { month, of, deals: of.length, ...metrics(of, "won_of_created", "won_of_created_budget"), ...Object.fromEntries(COHORT_MONTHS.map((months) => [`within${months}`, within(months)])) };
  });
  return rows.length ? [{
    rows, total: ["deals", "won_of_created", "won_of_created_budget"],
    columns: [["month", "month"], ["deals", "number"], ["won_of_created", "number"], ["won_of_created_budget", "money"], ...COHORT_MONTHS.map((months) => [`within${months}`, "percent", null, `cohorts.within${months}`])],
  }] : [];
}

function stuck(view) {
  const stages = new Map((TABLES.stages || []).map((row, place) => [`${row.project_id}/${row.pipeline_id}/${row.status_id}`, { ...row, place }]));
  return grouped(view.open(), "project_id", "pipeline_id").map((found) => {
    const rows = grouped(found, "status_id").map((of) => {
      const stage = stages.get(`${of[0].project_id}/${of[0].pipeline_id}/${of[0].status_id}`) || { place: Infinity };
      const aged = Object.fromEntries(AGES.map((age) => [`age${age}`, of.filter((row) => row.age === age).length]));
      const opens = Object.fromEntries(AGES.map((age) => [`age${age}`, () => of.filter((row) => row.age === age)]));
      return { place: stage.place, of, opens, stage: stage.status_name || `#${of[0].status_id}`, ...aged, deals: metric("open", of), budget: metric("open_budget", of) };
    }).sort((one, other) => one.place - other.place || 0);
    const ages = AGES.filter((age) => age < 4 || view.open().some((row) => row.age === 4)); // alike in all pipelines
    return {
      pipeline: found[0], size: found.length, chart: "open", opens: "deals", rows: named(rows, "stage"), ages, total: [...ages.map((age) => `age${age}`), "deals", "budget"],
      drawn: rows.flatMap((row, at) => ages.map((age) => ({ stage: row.stage, key: row.key, age_order: age, deals: row[`age${age}`], at, column: `age${age}` })).filter((one) => one.deals)),
      columns: [["stage", "text"], ...ages.map((age) => [`age${age}`, "number", null, `stuck.age.${age}`]), ["deals", "number"], ["budget", "money"]],
    };
  }).sort(falling("size"));
}

function linked(row) {
  const { domain } = TABLES.accounts.find((one) => one.project_id === row.project_id);
  const [place, id] = [PLACES[row.entity_type || "deal"], row.entity_id || row.deal_id];
  return { ...row, responsible_name: nameOf(row.project_id, row.responsible_user_id), href: domain && place && id ? `https://${domain}/${place}/detail/${id}` : null };
}

// A deal, or a card that waits, as the lists tell of it. A closed deal is of whoever was responsible then.
function listed(row) {
  const deal = "deal_id" in row ? row : (row.entity_type === "deal" && dealsById().get(`${row.project_id}/${row.entity_id}`)) || null;
  const { name = row.name ?? (deal && `#${deal.deal_id}`), client, open_tasks } = (deal && cardsByDeal().get(deal.deal)) || {};
  const responsible_user_id = deal && deal === row && row.closed !== null ? row.closer_id : row.responsible_user_id;
  return linked({ ...deal, ...row, responsible_user_id, name, client, open_tasks, stage: row.status_name || (deal ? stageName(deal) : null), pipeline_name: deal ? pipelineName(deal) : null,
    created_text: deal && textOf(deal.created), closed_text: deal && deal.closed !== null ? textOf(deal.closed) : null });
}
const dealsById = once(() => new Map(TABLES.deals.map((row) => [`${row.project_id}/${row.deal_id}`, row])));
const cardsByDeal = once(() => new Map((TABLES.cards || []).map((row) => [row.deal, row])));

// The first of a client's phones, as a link that calls it.
const phone = (phones) => phones && made("a", phones.split(", ")[0], { href: `tel:${phones.split(", ")[0].replace(/[^+\d]/g, "")}` });

// Which of these tables of the connector an account of the view does not have.
const unread = (view, ...tables) => tables.filter((table) => (TABLES.freshness || []).some((row) => row.source_table === table && !row.is_there && view.inScope(row)));

// Whom to turn to next: the ten most urgent cards of each manager; and the dead deals as one line with their list.
function queue(view) {
  const all_dead = forgotten(view, "dead");
  const [deals, dead] = [all_dead.length, all_dead.slice(0, LISTED).map(listed)];
  const people = grouped(view.now("queue"), "project_id", "responsible_user_id").map((of) => {
    const rows = of.slice(0, QUEUE_SHOWN).map((row) => ({ ...linked(row), days_missing: row.reason === "task" ? "queue.days.due" : null }));
    const cards = sum(grouped(of, "pipeline_id").map(([first]) => first), "cards"); // every card has the number of its pipeline and manager
    return { fold: `${of[0].project_id}/${of[0].responsible_user_id}`, name: nameOf(of[0].project_id, of[0].responsible_user_id), rows, cards, urgency: of[0].urgency };
  }).sort((one, other) => one.urgency - other.urgency || other.cards - one.cards);
  // the managers that somebody has opened stay open, unless none of them is in view
  const opened = state.opened && [...state.opened].filter((id) => id !== "dead");
  const isKept = opened && (!opened.length || people.some(({ fold }) => opened.includes(fold)));
  const lacking = unread(view, "calls", "deal_statuses", "events", "messages", "notes", "talks", "tasks");
  return [
    { rows: [], columns: [], insights: people.length ? [] : [[lacking.length ? "queue.unknown" : "queue.empty", {}]], notes: lacking.length ? [["queue.unread", { tables: ["text", lacking.join(", ")] }]] : [] },
    ...people.map(({ fold, name, rows, cards }, place) => ({
      fold, open: isKept ? opened.includes(fold) : place === 0, cards: true, rows,
      summary: ["queue.person", { name: ["text", name === null ? said("user.nobody") : name], shown: ["number", rows.length], cards: ["number", cards] }],
      columns: [["name", "deal", "card", null, null, (row) => [row.client !== row.name && row.client, phone(row.phone)]], ["reasons", "reasons", "why", null, null, (row, tell) => [row.due && tell.due(row.due), row.task]],
        ["status_name", "text", "stage"], ["working_minutes", "working", "waits"], ["days", "waited", "of_days"], ["budget", "money"]],
      after: cards > rows.length ? [["queue.more", { rest: ["number", cards - rows.length] }]] : [],
    })),
    ...(deals ? [{
      summary: ["queue.dead", { deals: ["number", deals], money: ["money", sum(all_dead, "budget")] }], fold: "dead", open: state.opened !== null && state.opened.has("dead"), cards: true, rows: dead,
      columns: [["name", "deal", "deal"], ["responsible_name", "text", "owner"], ["stage", "text"], ["budget", "money"], ["days_without_activity", "number"]],
      after: deals > dead.length ? [["queue.dead_more", { shown: ["number", dead.length] }]] : [],
    }] : []),
  ];
}

function today(view) {
  const found = view.now("today");
  const with_reason = (of) => Object.fromEntries(REASONS.map((reason) => [reason, () => of.filter((row) => row[reason])]));
  const people = grouped(found, "project_id", "responsible_user_id").map((of) => {
    const account = TABLES.accounts.find((row) => row.project_id === of[0].project_id);
    const counts = Object.fromEntries(REASONS.map((reason) => [reason, account[`knows_${reason}`] ? sum(of, reason) : null]));
    return { name: nameOf(of[0].project_id, of[0].responsible_user_id), ...counts, cards: of.length, budget: sum(of, "budget"), opens: { ...with_reason(of), cards: () => of, budget: () => of } };
  }).sort(falling("budget", "cards"));
  const knows = (reason) => TABLES.accounts.some((row) => view.inScope(row) && row[`knows_${reason}`]);
  const count = (reason) => ["number", knows(reason) ? sum(people, reason) : null];
  const once_each = [...new Map(found.map((row) => [`${row.project_id}/${row.entity_type}/${row.entity_id}`, row])).values()]; // a deal may wait for several people
  return people.length ? [{
    chart: "today", opens: "cards", rows: named(people, "name"), drawn: people.slice(0, TOP), longest: "cards", label: (row, tell) => tell.number(row.cards), total: REASONS, // a card may have several reasons
    insights: [["today.insight", { ...Object.fromEntries(REASONS.map((reason) => [reason, count(reason)])), money: ["money", sum(once_each, "budget")] }, with_reason(found)]],
    columns: [["name", "text", "owner"], ...REASONS.map((reason, place) => [reason, "number", null, `today.reason.${place}`]), ["cards", "number"], ["budget", "money"]],
  }] : [];
}

// The present month by day: the day's own sales, those up to the day, and the plan up to it if every day of work has the same part of it.
function pace(view) {
  const won = view.month().filter(isWon);
  const [now, plans] = [view.today, view.month_plans()];
  const [first, last] = [firstOf(monthOf(now)), lastOf(monthOf(now))];
  const plan = plans.length ? sum(plans, "plan") : null;
  const total = workdays(first, last);
  const days = [...Array(last - first + 1).keys()].map((place) => ({
    month: textOf(first + place), of: won.filter((row) => row.closed === first + place), ...metrics(won.filter((row) => row.closed === first + place), "won", "won_budget"),
    opens: { sold_to_day: () => won.filter((row) => row.closed <= first + place) },
    sold_to_day: metric("won_budget", won.filter((row) => row.closed <= first + place)), plan: plan === null ? null : Math.round(total ? (plan * workdays(first, first + place)) / total : (plan * (place + 1)) / (last - first + 1)),
  }));
  const rows = days.slice(0, now - first + 1);
  const { sold_to_day, plan: by_now } = rows[rows.length - 1];
  const planned = new Set(plans.map((row) => `${row.project_id}/${row.responsible_user_id}`));
  const of_plan = metric("won_budget", won.filter((row) => planned.has(`${row.project_id}/${row.closer_id}`)));
  return !won.length && plan === null ? [] : [{
    title: "pace.title", chart: "money", opens: "sold_to_day", rows: [...rows].reverse(), drawn: days.map((row, place) => ({ ...row, won_budget: place < rows.length ? row.sold_to_day : 0, at: rows.length - 1 - place, column: "sold_to_day" })), unit: ["won_budget", "plan"], notes: ["pace.bars"],
    heads: [["column.month", "column.day"], ["column.won_budget", "column.sold_to_day"], ["column.plan", "column.plan_to_day"]],
    insights: [plan === null ? ["pace.sold", { sold: ["money", sold_to_day] }] : ["pace.insight", { sold: ["money", sold_to_day], plan: ["money", by_now], share: ["percent", ratio(of_plan, by_now)] }]],
    columns: [["month", "bucket", "day"], ["won", "number"], ["won_budget", "money"], ["sold_to_day", "money"], ...(plan === null ? [] : [["plan", "money", "plan_to_day"]])],
  }];
}

function forecast(view) {
  const found = TABLES.forecast.filter((row) => view.inScope(row) && row.pipeline_id === view.scope.pipeline)
    .map((row) => ({ ...row, month: monthOf(row.month), won_budget: row.months_back ? row.sold : null, bar: row.months_back ? row.sold : row.months_ahead ? null : row.sold_so_far, off: row.months_back && row.expected !== null ? ratio(Math.abs(row.expected - row.sold), row.sold) : null, expected_missing: "forecast.few_then" }));
  const ahead = grouped(found, "project_id").map((rows) => {
    const known = rows.filter((row) => row.expected !== null);
    const past = known.filter((row) => row.months_back);
    const first = sinceOf(rows[0].project_id);
    for (const row of rows.filter((one) => one.months_back && firstOf(one.month) >= first)) {
      row.opens = { won_budget: () => chosen(view.scope, ofMonths(row.month, "month", row.month, row.month), null).closed().filter((deal) => isWon(deal) && deal.project_id === row.project_id) };
    }
    const capped = (TABLES.capped_deals || []).filter((row) => row.project_id === rows[0].project_id);
    if (!known.some((row) => !row.months_back)) return { title: "forecast.ahead", project: rows[0].project_id, rows: [], columns: [], notes: ["forecast.few"] };
    return {
      title: "forecast.ahead", project: rows[0].project_id, chart: "forecast", opens: "won_budget", rows, unit: ["expected", "low", "high", "bar"],
      notes: known.length < rows.length ? ["forecast.few_rest"] : [],
      insights: [...(past.length ? [["forecast.record", {
        count: ["number", past.length], inside: ["number", past.filter((row) => row.sold >= row.low && row.sold <= row.high).length],
        off: ["percent", median(past.map((row) => row.off))], before: ["percent", median(past.map((row) => ratio(Math.abs(row.sold_month_before - row.sold), row.sold)))],
      }]] : []), ...(capped.length ? [["forecast.capped", {
        cap: ["money", rows.find((row) => !row.months_back).budget_cap], deals: ["number", capped.length],
        names: ["text", capped.slice(0, 3).map((row) => row.name || `#${row.deal_id}`).join(", ") + (capped.length > 3 ? "…" : "")],
      }]] : [])],
      columns: [["month", "month"], ["expected", "money"], ["low", "money"], ["high", "money"], ["won_budget", "money"], ["off", "percent"], ["sold_so_far", "money"], ["from_open", "money"], ["from_new", "money"]],
    };
  });
  const stages = TABLES.forecast_stages.filter((row) => row.pipeline_id === view.scope.pipeline && row.project_id === view.scope.project);
  return [...ahead, ...pace(view), ...(stages.length ? [{
    title: "forecast.stages", notes: ["forecast.where"], total: ["deals", "budget", "expected_0", "expected_1", "expected_2"],
    rows: stages.map((row) => ({ ...row, stage: stageName(row) })),
    columns: [["stage", "text"], ["age", "age", null, "stuck.legend"], ["deals", "number"], ["budget", "money"], ["chance_0", "percent"], ["expected_0", "money"], ["expected_1", "money"], ["expected_2", "money"]],
  }] : [])];
}

const stageName = (row) => ((TABLES.stages || []).find((one) => one.project_id === row.project_id && one.pipeline_id === row.pipeline_id && one.status_id === row.status_id) || {}).status_name || `#${row.status_id}`;

// The note that a section knows nothing of some accounts.
const ofUnknown = (accounts) => (accounts.length ? [["moved.unknown", { names: ["text", accounts.map((one) => accountName(one.project_id)).join(", ")] }]] : []);

function stale(view) {
  const found = forgotten(view);
  const rows = found.slice(0, STALE_SHOWN).map(listed);
  const unknown = TABLES.accounts.filter((account) => view.inScope(account) && !account.knows_activity);
  return rows.length ? [{
    rows, cards: true, notes: ofUnknown(unknown), insights: [["stale.insight", { deals: ["number", found.length], money: ["money", sum(found, "budget")] }]],
    columns: [["name", "deal", "deal"], ["pipeline_name", "text", null, "filter.scope"], ["stage", "text"], ["responsible_name", "text", "owner"],
      ["budget", "money"], ["days_without_activity", "number"], ["open_tasks", "number"]],
  }] : [];
}

// Conversations of the period in which a client wrote: how long a person's first answer took; and all in which a client waits now.
function talks(view) {
  const waiting = view.now("talks").filter(countsIn("unanswered"));
  // of these accounts nobody knows which conversations are open
  const unknown = new Set(TABLES.accounts.filter((row) => view.inScope(row) && !row.knows_waiting).map((row) => row.project_id));
  const counted = (of) => ({
    ...metrics(of, "talks", "first_response"),
    by_person: of.filter((row) => row.answered_by === "person").length, by_robot: of.filter((row) => row.answered_by === "robot").length,
    by_nobody: of.filter((row) => row.answered_by === null).length,
  });
  const counts = [["talks", "number"], ["first_response", "number"], ["by_person", "number"], ["by_robot", "number"], ["by_nobody", "number"]];
  const total = ["talks", "by_person", "by_robot", "by_nobody"];
  const found = view.talks();
  const all = counted(found);
  // as of now a client may wait in a conversation that began before the period
  const withWaiting = (...columns) => {
    const key = (row) => JSON.stringify(columns.map((column) => row[column]));
    const [of, now] = [found, waiting].map((rows) => new Map(grouped(rows, ...columns).map((group) => [key(group[0]), group])));
    const isUnknown = ([row]) => (columns.includes("project_id") ? unknown.has(row.project_id) : unknown.size);
    return [...new Set([...of.keys(), ...now.keys()])].map((one) => [of.get(one) || now.get(one), of.get(one) || [], now.get(one) || []])
      .map(([any, own, still]) => ({ row: any[0], ...counted(own), unanswered: isUnknown(any) ? null : still.length }))
      .sort(falling("talks", "unanswered"));
  };
  const hours = grouped([...found].sort((one, other) => one.hour - other.hour), "hour").map((of) => ({ hour: of[0].hour, ...counted(of) }));
  const both = { total: [...total, "unanswered"], counts: [...counts, ["unanswered", "number"]] };
  return found.length || waiting.length ? [
    {
      rows: withWaiting("project_id", "responsible_user_id").map(({ row, ...own }) => ({ name: nameOf(row.project_id, row.responsible_user_id), ...own })),
      insights: [
        ...(all.first_response === null ? [] : [["talks.insight", { minutes: ["number", all.first_response] }]]),
        ["talks.waiting", { unanswered: ["number", unknown.size ? null : metric("unanswered", waiting)] }],
      ],
      total: both.total, columns: [["name", "text", "owner"], ...both.counts],
    },
    { title: "talks.channels", total: both.total, rows: withWaiting("channel").map(({ row, ...own }) => ({ channel: row.channel, ...own })), columns: [["channel", "text"], ...both.counts] },
    ...(hours.length ? [{ title: "talks.hours", chart: "talks", total, rows: hours, drawn: hours.filter((row) => row.by_person >= DATA.few), columns: [["hour", "text"], ...counts] }] : []),
  ] : [];
}

// A table of weekdays and hours, drawn in shades. `counts`: numbers by the hour of the week.
function byHourOfWeek(counts) {
  const hour = (weekday, of) => counts.get(24 * weekday + of) || 0;
  const every = [...Array(24).keys()];
  const rows = [...Array(7).keys()].map((weekday) => (
    { weekday, ...Object.fromEntries(every.map((of) => [`h${of}`, hour(weekday, of)])), touches: every.reduce((total, of) => total + hour(weekday, of), 0) }));
  // shades by rank, so that one act on many cards does not make all the others white
  const ranked = [...counts.values()].sort((one, other) => one - other);
  const level = (count) => (count ? Math.ceil((LEVELS * (ranked.lastIndexOf(count) + 1)) / ranked.length) : 0);
  return {
    chart: "hours", rows, narrow: true, most: Math.max(...counts.values(), 0),
    drawn: rows.flatMap((row) => every.map((of) => ({ weekday: row.weekday, hour: of, touches: row[`h${of}`], level: level(row[`h${of}`]), at: row.weekday, column: `h${of}` }))),
    columns: [["weekday", "weekday"], ...every.map((of) => [`h${of}`, "number", null, null, String(of)]), ["touches", "number", null, "total"]],
  };
}

function hours(view) {
  const found = view.hours();
  const counts = new Map(grouped(found, "hour_of_week").map((of) => [of[0].hour_of_week, sum(of, "touches")]));
  return found.length ? [{ ...byHourOfWeek(counts), notes: view.period.whole ? [] : ["hours.by_month"] }] : [];
}

// The deals that came: when, how fast a person touched them and what became of them; and the incoming calls.
function incoming(view) {
  const created = view.created();
  const by_hour = new Map(grouped(created, "hour_of_week").map((of) => [of[0].hour_of_week, of]));
  const week = byHourOfWeek(new Map([...by_hour].map(([hour, of]) => [hour, of.length])));
  const knows = new Map(TABLES.accounts.map((row) => [row.project_id, row.knows_touches]));
  const known = created.filter((row) => knows.get(row.project_id));
  const speeds = new Map(grouped(known, "speed").map((of) => [of[0].speed, of]));
  const half = metric("first_touch_working", known);
  const people = grouped(known, "project_id", "responsible_user_id").map((of) => {
    const reached = of.filter(isCase("first_touch_working"));
    return { name: nameOf(of[0].project_id, of[0].responsible_user_id), deals: of.length, touched: reached.length, ...metrics(of, "first_touch_working", "first_touch"),
      opens: { deals: () => of, touched: () => reached, first_touch_working: () => reached, first_touch: () => reached } };
  }).sort(falling("deals", "touched"));
  const touched = !known.length ? [] : SPEEDS.map((speed) => {
    const of = speeds.get(speed) || [];
    const { created: deals, ...sold } = metrics(of, "created", "won_of_created", "source_rate", "won_of_created_budget");
    return { speed: said(speed === null ? "speed.none" : `speed.${speed}`), of, deals, share: ratio(deals, created.length), ...sold };
  });
  const counts = ["incoming_calls", "answered", "missed_calls", "missed_share", "called_back", "back_after", "back_within_hour"];
  const whose = (row) => `${row.project_id}/${row.responsible_user_id}`;
  const callbacks = new Map(grouped(view.callbacks(), "project_id", "responsible_user_id").map((of) => [whose(of[0]), of]));
  const calls = grouped(view.isFiltered ? [] : view.calls(), "project_id", "responsible_user_id").map((of) => {
    const [all, missed] = [sum(of, "incoming_calls"), sum(of, "missed_calls")];
    return {
      name: nameOf(of[0].project_id, of[0].responsible_user_id), incoming_calls: all, answered: all - missed, missed_calls: missed, missed_share: ratio(missed, all),
      called_back: sum(of, "called_back"), ...metrics(callbacks.get(whose(of[0])) || [], "back_after"), back_within_hour: sum(of, "back_within_hour"), missing: "incoming.by_name",
    };
  }).sort(falling("incoming_calls", "missed_calls"));
  const no_calls = unread(view, "calls").length ? ["incoming.no_calls"] : [];
  return [
    ...(created.length ? [
      {
        title: "incoming.hours", ...week, opens: "touches", notes: TABLES.accounts.some((row) => !row.knows_touches && view.inScope(row)) ? ["incoming.no_touches"] : [], heads: [["column.touches", "column.deals"]],
        rows: week.rows.map((row) => ({ ...row, opens: {
          ...Object.fromEntries([...Array(24).keys()].map((hour) => [`h${hour}`, () => by_hour.get(24 * row.weekday + hour) || []])),
          touches: () => [...Array(24).keys()].flatMap((hour) => by_hour.get(24 * row.weekday + hour) || []),
        } })),
      },
      ...(touched.length ? [{
        title: "incoming.speed", insights: half === null ? [] : [["incoming.half", { minutes: ["working", half] }]], cards: true, rows: touched, total: ["deals", "won_of_created", "won_of_created_budget"],
        columns: [["speed", "text"], ["deals", "number"], ["share", "percent"], ["won_of_created", "number"], ["source_rate", "percent"], ["won_of_created_budget", "money"]],
      }, {
        title: "incoming.people", cards: true, rows: people, total: ["deals", "touched"],
        columns: [["name", "text", "owner"], ["deals", "number"], ["touched", "number"], ["first_touch_working", "working"], ["first_touch", "minutes"]],
      }] : []),
    ] : []),
    ...(calls.length ? [{
      title: "incoming.calls", cards: true, rows: calls, total: counts.filter((name) => METRICS[name]?.unit !== "minutes" && name !== "missed_share"), notes: no_calls,
      columns: [["name", "text", "answerer"], ...counts.map((name) => [name, name === "missed_share" ? "percent" : name === "back_after" ? "minutes" : "number"])],
    }] : created.length && view.isFiltered ? [{ rows: [], columns: [], notes: ["incoming.all_calls"] }] : created.length && no_calls.length ? [{ rows: [], columns: [], notes: no_calls }] : []),
  ];
}

// Open money at the end of the day before this one: of each pipeline and user what the last of its rows says. Rows come by day.
const openBefore = (rows, day) => {
  const last = new Map(rows.filter((row) => row.day < day).map((row) => [`${row.project_id}/${row.pipeline_id}/${row.responsible_user_id}`, row]));
  return sum([...last.values()], "at_end");
};

// Open money at both ends of the period, and how it came, changed and went. Between the rows of a table only what left one for the
// other has moved; in a choice of people, what comes to a pipeline may come from others, and of a pipeline likewise.
function moved(view) {
  const found = view.moved();
  const counted = (of) => {
    const own = of.filter((row) => row.day >= view.period.first);
    return {
      at_start: openBefore(of, view.period.first), at_end: openBefore(of, Infinity),
      ...Object.fromEntries([...GAINS, ...LOSSES, ...CROSSED].map((name) => [name, sum(own, name)])),
    };
  };
  const all = counted(found);
  const unknown = TABLES.accounts.filter((account) => view.inScope(account) && !(account.stages_known && account.budgets_known));
  const block = (title, head, isPart, crossed, rows) => {
    const names = [...GAINS, ...LOSSES].map((name) => (isPart ? name : { moved_in: crossed[0], moved_out: crossed[1] }[name] || name));
    const shown = ["at_start", ...names.filter((name) => all[name]), "at_end"];
    return {
      title, cards: true, notes: ["moved.where"], rows: rows.filter((row) => shown.some((name) => row[name])).sort(falling("at_end", "at_start")), total: shown,
      columns: [head, ...shown.map((name) => [name, "money"])],
    };
  };
  return ["at_start", ...GAINS, ...LOSSES, "at_end"].some((name) => all[name]) ? [
    {
      ...block("moved.pipelines", ["pipeline_name", "text", null, "filter.scope"], view.who || DATA.only, CROSSED.slice(0, 2), grouped(found, "project_id", "pipeline_id").map((of) => ({ pipeline_name: pipelineName(of[0]), ...counted(of) }))),
      notes: ["moved.where", ...ofUnknown(unknown)],
    },
    block("moved.managers", ["name", "text", "owner_then"], view.scope.pipeline !== null, CROSSED.slice(2), grouped(found, "project_id", "responsible_user_id").map((of) => ({ name: nameOf(of[0].project_id, of[0].responsible_user_id), missing: "moved.nobody", ...counted(of) }))),
  ] : [];
}

function repeat(view) {
  const [created, closed] = [view.created(), view.closed()].map((rows) => new Map(grouped(rows, "is_repeat").map((of) => [of[0].is_repeat, of])));
  const rows = CLIENTS.filter((kind) => created.has(kind) || closed.has(kind)).map((kind) => {
    const [came, ended] = [created.get(kind) || [], closed.get(kind) || []];
    const { created: deals, ...sold } = metrics(came, "created", "won_of_created", "source_rate");
    const won = ended.filter(isWon);
    return { client: said(`repeat.${kind}`), deals, ...sold, ...metrics(won, "won", "won_budget", "average"), opens: { deals: () => came, won_of_created: () => came.filter(isWon), source_rate: () => came, won: () => won, won_budget: () => won, average: () => won } };
  });
  return rows.length ? [{
    rows, total: ["deals", "won_of_created", "won", "won_budget"], groups: [["", 1], ["group.created", 3], ["group.closed", 3]],
    columns: [["client", "text"], ["deals", "number"], ["won_of_created", "number"], ["source_rate", "percent"], ["won", "number"], ["won_budget", "money"], ["average", "money"]],
  }] : [];
}

// Goods of the deals won and of the purchases made in the period.
function goods(view) {
  const won = once(() => new Map(view.closed().filter(isWon).map((row) => [`${row.project_id}/${row.deal_id}`, row])));
  const sold = (is_purchase) => grouped(view.goods().filter((row) => row.is_purchase === is_purchase), "good").map((of) => ({
    good: of[0].good === true ? null : of[0].good, missing: of[0].good === true ? "sources.other" : "card.nameless", quantity: sum(of, "quantity"),
    sales: grouped(of, "project_id", "sale").length,
    opens: is_purchase ? {} : { sales: () => grouped(of, "project_id", "sale").map(([row]) => won().get(`${row.project_id}/${row.sale}`)).filter(Boolean) }, amount_now: of.some((row) => row.amount_now !== null) ? sum(of, "amount_now") : null,
  })).sort((one, other) => (one.missing === "sources.other") - (other.missing === "sources.other") || falling("amount_now", "quantity")(one, other));
  return [["goods.deals", sold(false)], ["goods.purchases", sold(true)]].filter(([, rows]) => rows.length).map(([title, rows]) => ({
    title, rows, total: ["amount_now"], notes: title === "goods.purchases" ? ["goods.where"] : [], columns: [["good", "text"], ["sales", "number"], ["quantity", "number"], ["amount_now", "money"]],
  }));
}


function work(view) {
  const counts = Object.keys(SHOWN_BY);
  const lacking = new Set((TABLES.freshness || []).filter((row) => !row.is_there).map((row) => `${row.project_id}/${row.source_table}`));
  const counted = (of, column) => (lacking.has(`${of[0].project_id}/${SHOWN_BY[column]}`) ? null : sum(of, column));
  const rows = grouped(view.work(), "project_id", "responsible_user_id", "name_alone").map((of) => (
    { name: nameOf(of[0].project_id, of[0].responsible_user_id) || of[0].name_alone, ...Object.fromEntries(counts.map((column) => [column, counted(of, column)])) }))
    .sort(falling("calls_out", "stage_moves", "tasks_done"));
  return rows.length ? [{
    rows, total: counts,
    columns: [["name", "text", "author"], ...counts.map((column) => (column === "talk_seconds" ? [column, "hours", "talk_hours"] : [column, "number"]))],
  }] : [];
}

// What one author changed in many cards at once: what is news; and what is habit, in one line.
function atOnce(view) {
  const found = view.at_once().map((row) => ({ ...row, zone: "UTC", name: nameOf(row.project_id, row.responsible_user_id), what: said(`at_once.${row.kind}`) }));
  const [rows, habit] = [true, false].map((isNews) => found.filter((row) => row.is_news === isNews));
  const people = [...new Set(habit.map(({ name }) => name))].join(", ");
  return found.length ? [{
    rows, cards: true, after: habit.length ? [["at_once.habit", { changes: ["number", habit.length], cards: ["number", sum(habit, "cards")], people: ["text", people] }]] : [],
    columns: rows.length ? [["began", "moment", "changed_at"], ["name", "text", "changed_by"], ["what", "text", "changed_what", null, null, (row) => [row.field_name]], ["cards", "number"], ["pairs", "text", "changed_to"], ["money", "money", "changed_money"]] : [],
  }] : [];
}

function freshness(view) {
  const rows = TABLES.freshness.filter((row) => row.is_there && view.inScope(row));
  return rows.length ? [{
    rows, columns: [...(TABLES.accounts.length > 1 ? [["account", "text"]] : []), ["source_table", "text", "table"], ["row_count", "number", "rows"],
      ["deleted_count", "number", "deleted"], ["newest_at", "moment", "newest"]],
  }] : [];
}

const COUNT = { queue, people, money, funnel, forecast, today, managers, incoming, sources, by, reasons, sides, moved, stuck, stale, repeat, goods, cohorts, talks, hours, work, at_once: atOnce, freshness };
const SECTIONS = embedded("sections").map((section) => ({ ...section, count: COUNT[section.id] }));
const FOLDED = SECTIONS.filter(({ open }) => !open).map(({ id }) => id); // until somebody opens them
