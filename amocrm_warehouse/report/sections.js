"use strict";

// The sections of the page. Each returns blocks for a view (a choice's rows); a block is a table, with or without a chart of its
// rows. blocks.json declares them; `groups` of its columns: a key of texts and how many; a column: its name, its kind, the key of its
// head if that is not the name, a whole key, a plain head, and what stands under the value. sections.json declares the sections:
// `needs`: tables of the connector, one of which (with `needs_all` each of which) must have been read; `of`: tables of the page;
// `of_deals`: filters by tag, source and field apply, because the section is of deals alone, or they cannot concern it; `when`: of
// which days it is; `open` on the first visit.

const { TOP, ENOUGH, SALES, USUAL_MONTHS, UNUSUAL, OF_MONTH, FEWER_IS_BETTER, DONE, REASONS_BESIDE, COHORT_MONTHS, AGES, PLACES,
  LISTED, QUEUE_SHOWN, STALE_SHOWN, REASONS, LEVELS, SPEEDS, GAINS, LOSSES, CROSSED, CLIENTS, SHOWN_BY, LANGUAGES, FIRST_DAYS,
  WHOLE } = embedded("constants");
const BLOCKS = embedded("blocks");
const isWon = countsIn("won");

// A list of one block, or of none if it has no rows. A column that may be missing is left out if no row has a value of it.
function blockOf(name, rows, { head, ...more } = {}) {
  const { optional = [], columns: [first, ...others], ...declared } = BLOCKS[name];
  const columns = [head || first, ...others].filter(([column]) => (
    !optional.includes(column) || rows.some((row) => (row[column] ?? null) !== null)));
  if (declared.chart) named(rows, first[0]);
  return rows.length ? [{ ...declared, columns, rows, ...more }] : [];
}

// A function that returns the deals behind a number, or null if it is not of deals. `of` of a row: its deals, or a view that has those
// created, closed and open; `opens`: such functions by column. A share's deals are those of its whole.
function dealsOf({ of, opens = {} }, column) {
  if (column in opens) return opens[column];
  const { of: mart, share, day = "open" } = METRICS[column] || { day: "created" };
  if (share) return dealsOf({ of }, share[1]);
  const deals = Array.isArray(of) ? () => of : of && of[day];
  if (!deals) return null;
  return mart === "deals" ? () => deals().filter(isCase(column)) : WHOLE.includes(column) ? deals : null;
}

// How long lists by column are, and functions that open them.
const counting = (lists) => (
  { ...each(Object.keys(lists), (name) => lists[name].length), opens: each(Object.keys(lists), (name) => () => lists[name]) });

// Rows by the person that a column names: the name, and what `count` makes of the person's rows.
const byOwner = (rows, count, user = OWN) => grouped(rows, "project_id", user).map((of) => (
  { name: nameOf(of[0].project_id, of[0][user]), ...count(of) }));

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

function keyFigures(view) {
  const figures = (of) => ({ ...metrics(of.created(), "created"), ...metrics(of.closed(), ...SALES, "rate", "average", "days_to_win") });
  const all = { ...figures(view), ...metrics(view.open(), "open", "open_budget", ...LIVE) };
  const before = view.before();
  const [now, then] = before ? [figures(view.so_far), figures(before)] : [{}, {}];
  const cases = (id) => (METRICS[id].share || METRICS[id].day ? [casesOf(id, view), before ? casesOf(id, before) : 0] : []);
  const notes = { won: ["kpi.lost", { count: ["number", all.lost] }], open: ["kpi.open_budget", { money: ["short", all.open_budget] }],
    live: ["kpi.live", { money: ["short", all.live_budget], dead: ["number", all.dead], dead_money: ["short", all.dead_budget] }] };
  return ["created", "won", "won_budget", "rate", "average", "days_to_win", knowsDead(view) ? "live" : "open"].map((id) => (
    { id, kind: METRICS[id].unit, value: all[id], now: now[id], then: then[id], cases: cases(id), note: notes[id] }));
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
  const found = view.now("untouched");
  const oldest = Math.max(...found.map((row) => row.working_minutes));
  return found.length ? [["month.untouched", { count: ["number", sum(found, "deals")], waited: ["since_it_came", oldest] }]] : [];
}

const counted = (of) => ({ ...metrics(of.created(), "created", "first_touch"), ...metrics(of.closed(), "won_budget", "won", "lost") });

// A month's figures, those of the days with which it is compared, of how many deals both are, and how much of its plan is sold.
function monthly(view, before) {
  const plans = view.plans();
  const [plan, of_plan] = [plans.length ? sum(plans, "plan") : null, sum(plans, "won_budget")];
  return { view, month: monthOf(view.period.first), all: counted(view), then: before ? counted(before) : {}, plan, of_plan,
    plan_share: ratio(of_plan, plan), cases: (id) => [casesOf(id, view), before ? casesOf(id, before) : 0] };
}

// The present month: sales, plan and forecast; leads and what became of them; and a sentence for each number that is unusual: it
// lies outside those of the same days of each of the last six months, and is a fifth or more away from their median.
function thisMonth(view) {
  const { today, period: { first } } = view;
  const { like_today, passed, left } = DATA.days[today];
  const daysAgo = (months) => [firstOf(shifted(monthOf(first), -months)), like_today[months]];
  const days = [...Array(USUAL_MONTHS).keys()].map((place) => daysAgo(place + 1)).filter(([day]) => day >= sinceOf(view.scope.project));
  const past = days.map((one) => view.between(...one));
  const [usual, now, found] = [past.map(counted), counted(view.so_far), monthly(view, past[0])];
  const { plan, of_plan } = found;
  const ahead = view.who || view.isFiltered || !TABLES.forecast ? [] : TABLES.forecast.filter((row) => (
    !row.months_back && !row.months_ahead && row.pipeline_id === view.scope.pipeline && view.inScope(row)));
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
  const isShort = plan !== null && high !== null && high < plan;
  return {
    ...found, now, expected, low, high, left, needed: plan === null ? null : Math.max(plan - of_plan, 0) / left, passed: passed[today - first],
    has_forecast: ahead.length === 1, before: usual.length ? days[0] : null,
    insights: [...untouched(view), ...(isShort ? [["month.short", { high: ["short", high], lack: ["short", plan - high] }]] : []),
      ...live(view, plan, of_plan), ...unusual],
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
  const [now, since] = [monthOf(view.today), sinceOf(view.scope.project)];
  const [ended, before] = [-1, -2].map((by) => chosen(view.scope, monthPeriod(shifted(now, by)), view.who));
  if (view.today - firstOf(now) >= FIRST_DAYS || ended.period.last < since) return null;
  const paid = grouped(ended.costs(), "source").map((of) => {
    const ofSource = (rows) => rows.filter((row) => row.source === of[0].source);
    return returns(of, ofSource(ended.created()), ofSource(ended.closed().filter(isWon)));
  });
  const cost = sum(paid, "cost");
  const romi = (brought) => ["percent", sum(paid, brought) / cost - 1];
  return { ...monthly(ended, before.period.first >= since && before),
    costs: cost ? ["ended.costs", { cost: ["money", cost], romi: romi("brought"), romi_sold: romi("sold") }] : null };
}

// A line for the last day of work, and one for the last week.
function recent(view) {
  const lines = Object.entries(DATA.days[view.today].recent).filter(([, [first]]) => first >= sinceOf(view.scope.project));
  return lines.map(([kind, days]) => {
    const { created, won, lost, won_budget: sold } = counted(view.between(...days));
    return [`recent.${kind}`, { days: ["span", days], created: ["number", created], won: ["number", won], lost: ["number", lost], money: ["money", sold] }];
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
      if (!people.has(key)) people.set(key, { project, name: nameOf(project, id) || name_alone, ...each(Object.keys(lists), () => []) });
      people.get(key)[name].push(...of);
    }
  }
  return [...people.values()];
}

// The present month of each person: what is sold of the plan and expected, what is open and alive, and what was done.
function people(view) {
  const [month, unknown] = [ofThisMonth(view.scope, view.who), unread(view, ...Object.values(DONE))];
  const found = byPerson({
    closed: [month.closed(), "closer_id"], created: [month.created(), OWN], open: [view.open().filter((row) => !row.is_dead), OWN],
    plans: [month.plans(), OWN], outlook: [view.now("outlook"), OWN], work: [month.work(), OWN], calls: [month.calls(), OWN],
    tasks: [view.now("tasks"), OWN],
  });
  const rows = found.map(({ name, closed, created, open, plans, outlook, work, calls, tasks }) => {
    const [sold, plan] = [metrics(closed, "won_budget"), plans.length ? sum(plans, "plan") : null];
    const done = { calls_out: sum(work, "calls_out"), answered: sum(calls, "incoming_calls") - sum(calls, "missed_calls"),
      tasks_done: sum(work, "tasks_done"), overdue: sum(tasks, "overdue") };
    return {
      name, missing: "user.nobody", ...sold, plan, plan_share: ratio(sum(plans, "won_budget"), plan),
      ...metrics(created, "created", "first_touch_working"), ...metrics(open, "open_budget"),
      expected: TABLES.outlook ? sold.won_budget + sum(outlook, "expected") : null,
      ...each(Object.keys(DONE), (one) => (unknown.includes(DONE[one]) ? null : done[one])),
      of: { closed: () => closed, created: () => created, open: () => open },
    };
  });
  const shown = ["plan", "expected", "won_budget", "open_budget", "created", ...Object.keys(DONE)];
  return blockOf("people", rows.filter((row) => shown.some((name) => row[name])).sort(falling("won_budget", "expected", "open_budget")));
}

const dealOf = (row) => TABLES.deals[row.deal];

function funnel(view) {
  const place = (row) => `${row.project_id}/${row.pipeline_id}/${row.status_id}`;
  const stays = new Map(grouped(view.stays(), "project_id", "pipeline_id", "status_id").map((of) => [place(of[0]), of]));
  const known = new Map(TABLES.accounts.map((row) => [row.project_id, row.stages_known]));
  return grouped(view.ways(), "project_id", "pipeline_id").flatMap((ways) => {
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
      const there = isWon(stage) ? [] : stays.get(place(stage)) || [];
      const staying = there.filter((row) => !row.is_over);
      const from_previous = unsorted || previous === null ? null : ratio(reached, previous);
      if (!unsorted) previous = reached;
      return {
        stage: stage.status_name, reached, lost_here: lost, lost_share: hasHistory ? ratio(lost, reached) : null, from_previous,
        from_start: ratio(reached, ways.length), median_days: halfLeft(there), median_days_missing: staying.length ? "funnel.half_there" : null,
        still: isWon(stage) || !hasHistory ? null : staying.length, stays: there.length, kept: Math.max(reached - (lost || 0), 0),
        opens: { reached: () => came.map(dealOf), lost_here: () => left.map(dealOf), still: () => staying.map(dealOf) },
      };
    });
    const often = stages.filter((row) => row.stays >= ENOUGH).map((row) => ({ ...row, still_share: ratio(row.still, row.stays) }));
    const worst = stages.filter((row) => row.reached >= ENOUGH && row.lost_here).sort(falling("lost_share", "lost_here"))[0];
    const slowest = often.filter((row) => row.median_days).sort(falling("median_days"))[0];
    const standing = often.filter((row) => row.median_days === null && row.still > ways.length / 20).sort(falling("still_share", "still"))[0];
    const said_of = (key, { stage }, values) => [[key, { stage: ["text", stage], ...values }]];
    return blockOf("funnel", stages, {
      pipeline: ways[0], size: ways.length,
      insights: [
        ...(worst ? said_of("funnel.insight", worst, { lost: ["number", worst.lost_here], reached: ["number", worst.reached], share: ["percent", worst.lost_share] }) : []),
        ...(standing ? said_of("funnel.standing", standing, { still: ["number", standing.still], stays: ["number", standing.stays], share: ["percent", standing.still_share] })
          : slowest ? said_of("funnel.slow", slowest, { days: ["days", slowest.median_days] }) : []),
      ],
      notes: !hasHistory ? ["funnel.no_history"] : gone ? [["funnel.gone", { lost: ["number", gone] }]] : [],
    });
  }).sort(falling("size"));
}

// The two people or teams of the choice `ids`; whoever is missing in it is a manager with the highest sales of the period, undefined
// if nobody else sold.
function pairOf(view, ids) {
  const { teams, people } = whos(view.scope);
  const all = [...teams, ...people];
  const sold = new Map(grouped(view.closed().filter(isWon), "project_id", "closer_id").map((of) => (
    [`${of[0].project_id}/${of[0].closer_id}`, metric("won_budget", of)])));
  const best = people.filter((one) => isPerson(one.project, one.users[0]) && sold.get(one.id) > 0)
    .sort((one, other) => sold.get(other.id) - sold.get(one.id));
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
  const figures = views.map((of, at) => ({ name: pair[at].name, of, ...metrics(of.created(), "created", "first_touch"),
    ...metrics(of.closed(), ...SALES, "rate", "average", "days_to_win") }));
  const shown = BLOCKS.funnel.columns.filter(([name]) => ["reached", "from_previous", "lost_share", "median_days"].includes(name));
  const sided = (of) => Object.fromEntries(of.flatMap((row, at) => Object.entries(row || {}).map(([name, value]) => [name + at, value])));
  return [...blockOf("sides", figures), ...[...new Set(funnels.flatMap((one) => [...one.keys()]))].map((key) => {
    const both = funnels.map((one) => one.get(key));
    const { pipeline, rows } = both[0] || both[1];
    return {
      pipeline, cards: true, notes: ["group.created"], rows: rows.map(({ stage }, place) => {
        const of = both.map((block) => (block ? block.rows[place] : { reached: 0, opens: {} }));
        return { stage, ...sided(of), opens: sided(of.map(({ opens }) => opens)) };
      }),
      columns: [["stage", "text"], ...shown.flatMap(([name, kind]) => pair.map((who, at) => (
        [`${name}${at}`, kind, null, null, `${who.name}: ${said(`column.${name}`)}`])))],
    };
  })];
}

// Splits the period, up to the day `last`: into months if it consists of months or is long, else into weeks or days.
function parts({ period }, last) {
  if (last < period.first) return [];
  const length = last - period.first + 1;
  if (period.whole || length > 185) {
    return monthsBetween(period.first, last).map((month) => (
      { bucket: month, first: Math.max(firstOf(month), period.first), last: Math.min(lastOf(month), last) }));
  }
  const step = length > 31 ? 7 : 1;
  return [...Array(Math.ceil(length / step)).keys()].map((place) => {
    const first = period.first + step * place;
    return { bucket: textOf(first), first, last: Math.min(first + step - 1, last) };
  });
}

function money(view) {
  const [closed, plans] = [view.closed(), view.plans()];
  // deals may be dated as closed in the future: future parts without such deals are left out
  const end = closed.reduce((latest, row) => Math.max(latest, row.closed), view.last);
  const rows = !closed.length && !plans.length ? [] : parts(view, end).flatMap(({ bucket, first, last }) => {
    const of = closed.filter((row) => row.closed >= first && row.closed <= last);
    if (first > view.last && !of.length) return [];
    const planned = plans.filter((row) => monthOf(row.month) === bucket);
    const [plan, of_plan] = [planned.length ? sum(planned, "plan_so_far") : null, sum(planned, "won_budget")];
    const others = plan === null ? 0 : metric("won_budget", of) - of_plan;
    return { month: bucket, of, ...metrics(of, ...SALES), plan, plan_share: ratio(of_plan, plan), others };
  });
  const others = sum(rows, "others");
  return blockOf("money", rows, {
    insights: others > 0 ? [["money.others", { others: ["money", others] }]] : [],
    notes: plans.length ? [...ofMonthSoFar(plans), "money.of_plan"] : TABLES.plans ? [noPlan(view)] : [],
  });
}

const ofMonthSoFar = (plans) => (plans.some((row) => row.plan_so_far !== row.plan) ? ["money.plan_so_far"] : []);

function managers(view) {
  const people = byPerson({
    sales: [view.closed(), "closer_id"], plans: [view.plans(), OWN], stale: [forgotten(view), OWN], tasks: [view.now("tasks"), OWN],
  });
  const months = monthsBetween(view.period.first, Math.max(view.last, view.period.first)).length;
  const knows = new Map(TABLES.accounts.map((row) => [row.project_id, row]));
  const rows = people.map(({ project, name, sales, plans, stale, tasks }) => {
    const plan = plans.length ? sum(plans, "plan_so_far") : null;
    const knowsTasks = !view.isFiltered && TABLES.tasks && knows.get(project).knows_overdue_task;
    return {
      name, of: sales, opens: { stale: () => stale }, ...metrics(sales, ...SALES, "rate", "average"), plan,
      plan_share: ratio(sum(plans, "won_budget"), plan), overdue: knowsTasks ? sum(tasks, "overdue") : null,
      stale: knows.get(project).knows_activity ? stale.length : null,
      // a plan of fewer months would look missed or met beside the sales of all
      mark: new Set(plans.map((row) => row.month)).size === months ? plan : null,
    };
  }).sort(falling("won_budget", "won", "lost"));
  const present = TABLES.accounts.some((row) => !row.owners_known && view.inScope(row));
  const before = view.before();
  const isRanked = (row) => isPerson(row.project_id, row.closer_id);
  const compared = beside(view.so_far.closed(), before && before.closed(), isRanked, "project_id", "closer_id")
    .map(({ row, ...own }) => ({ name: nameOf(row.project_id, row.closer_id), ...own }));
  return [...blockOf("managers", rows, {
    drawn: rows.filter((row) => row.won_budget || row.plan).slice(0, TOP),
    notes: [...(present ? ["managers.present"] : []), ...ofMonthSoFar(view.plans()),
      ...(rows.some((row) => row.plan !== null && row.mark === null) ? ["money.of_plan", "managers.plan_in_part"] : [])],
  }), ...(rows.length && compared.length > 1 ? blockOf("managers.beside", compared, { notes: before ? [comparedDays(view, before)] : [] }) : [])];
}

// The won budgets of each manager or source, beside those of the days before and beside the median of those that are compared.
function beside(now, before, isCompared, ...columns) {
  const earlier = new Set(before);
  const groups = grouped([...now, ...earlier], ...columns).filter((of) => of.some(isWon)).map((of) => {
    const [all, then] = [of.filter((one) => !earlier.has(one)), of.filter((one) => earlier.has(one))];
    return { row: of[0], all, then, own: all.filter(isWon), old: then.filter(isWon), isRanked: isCompared(of[0]) };
  });
  const ranked = groups.filter(({ isRanked }) => isRanked).map(({ own }) => own);
  const [middle, enough] = [median(ranked.map((own) => metric("won_budget", own))), median(ranked.map((own) => own.length)) >= DATA.few];
  return groups.map(({ row, all, then, own, old, isRanked }) => {
    const [won_budget, was, isFew] = [metric("won_budget", own), before && metric("won_budget", old), old.length < DATA.few];
    return {
      row, won_budget, was, change: was && !isFew ? won_budget / was - 1 : null, change_missing: was && isFew ? "few.cell" : null,
      of_median: isRanked && enough ? ratio(won_budget, middle) : null, of_median_missing: isRanked && !enough ? "few.cell" : null,
      rate: metric("rate", all), rate_was: before && metric("rate", then), of: all, opens: { was: () => old },
    };
  }).sort(falling("won_budget", "was"));
}

function reasons(view) {
  const found = view.closed().filter(countsIn("lost"));
  const rows = grouped(found, "reason").map((of) => ({ reason: of[0].reason, of, deals: of.length,
    share: ratio(of.length, found.length), ...metrics(of, "lost_budget"), missing: "reasons.none_given" })).sort(falling("deals", "lost_budget"));
  return [...blockOf("reasons", rows, { drawn: rows.slice(0, TOP) }), ...reasonsByPart(view, found, rows)];
}

// How many deals were lost for each reason in each month, week or day of the period.
function reasonsByPart(view, lost, reasons) {
  const shown = reasons.slice(0, reasons.length > REASONS_BESIDE + 1 ? REASONS_BESIDE : reasons.length).map(({ reason }) => reason);
  const columns = [...shown.map((_, at) => `reason${at}`), ...(shown.length < reasons.length ? ["others"] : [])];
  const rows = parts(view, view.last).map(({ bucket, first, last }) => {
    const of = lost.filter((row) => row.closed >= first && row.closed <= last);
    const lists = each(columns, (name, at) => of.filter(({ reason }) => (name === "others" ? !shown.includes(reason) : reason === shown[at])));
    return { month: bucket, of, deals: of.length, ...counting(lists) };
  }).filter((row) => row.deals);
  const head = (name, at) => (name === "others" ? said("sources.other") : shown[at] || said("reasons.none_given"));
  return rows.length > 1 ? [{
    title: "reasons.by_month", rows, total: [...columns, "deals"],
    columns: [["month", "bucket", "bucket"], ...columns.map((name, at) => [name, "number", null, null, head(name, at)]),
      ["deals", "number", null, "total"]],
  }] : [];
}

// Deals created in the period by `column`, their source or the field that `by` names. Costs are those of sources.
function bySource(view, column) {
  // true: one that the page does not name
  const named_as = (name) => ({ source: name === true ? null : name, missing: name === true ? "sources.other" : `${column}.unknown` });
  const paid = new Map(column === "source" ? grouped(view.costs(), "source").map((of) => [of[0].source, of]) : []);
  const [found, ended] = [view.created(), view.closed().filter(isWon)].map((rows) => new Map(grouped(rows, column).map((of) => [of[0][column], of])));
  const rows = [...new Set([...found.keys(), ...ended.keys(), ...paid.keys()])].map((name) => {
    const [of, won] = [found.get(name) || [], ended.get(name) || []];
    const { created: deals, ...sold } = metrics(of, "created", "won_of_created", "source_rate", "won_of_created_budget");
    return { ...named_as(name), of: { created: () => of, closed: () => won }, deals, ...sold, ...metrics(won, "won", "won_budget"),
      ...(paid.has(name) ? returns(paid.get(name), of, won) : {}) };
  }).sort(falling("deals", "won_of_created_budget"));
  const before = view.before();
  const compared = beside(view.created(), before && wonBy(before.created(), before.today), () => true, column)
    .map(({ row, ...own }) => ({ ...named_as(row[column]), ...own }));
  const head = column === "source" ? ["source", "text"] : ["source", "text", "by"];
  const ofNone = view.scope.project !== null && TABLES.accounts.length > 1 && view.costs().some((row) => row.project_id === null);
  return rows.length ? [...blockOf("sources", rows, {
    head, drawn: rows.filter((row) => row.deals).slice(0, TOP),
    notes: [
      ...(TABLES.deals.some((row) => row[column] !== null) ? [] : [`${column}.none`]),
      ...(ofNone ? ["sources.costs_of_no_account"] : []),
      ...(TABLES.costs && column === "source" && !paid.size ? [view.hasCosts ? "sources.no_costs" : "sources.costs_of_months"] : []),
    ],
  }), ...(compared.length > 1 ? blockOf("sources.beside", compared, {
    head, notes: before ? [comparedDays(view, before), ["sources.won_by", { day: ["bucket", textOf(before.today)] }]] : [],
  }) : []), ...blockOf("sources.costs", rows.filter((row) => row.cost_months).sort(falling("cost")))] : [];
}

const sources = (view) => bySource(view, "source");
const by = (view) => bySource(view, "by_value");

// What the deals of the accounts and months that have costs cost and brought. Costs without an account are those of each.
function returns(costs, deals, sold) {
  const cost = sum(costs, "cost");
  const paid = (day) => (deal) => costs.some((row) => (
    monthOf(row.month) === monthOf(deal[day]) && (row.project_id === null || row.project_id === deal.project_id)));
  const found = metrics(deals.filter(paid("created")), "created", "won_of_created", "won_of_created_budget", "open");
  const { created, won_of_created, won_of_created_budget: brought, open } = found;
  const sold_for = sum(sold.filter(paid("closed")), "budget");
  return { cost, brought, sold: sold_for, paid_deals: created, still_open: created ? open : null,
    cost_months: new Set(costs.map((row) => monthOf(row.month))).size, cost_of_deal: ratio(cost, created), cost_of_won: ratio(cost, won_of_created),
    romi: cost ? (brought - cost) / cost : null, romi_sold: cost ? (sold_for - cost) / cost : null };
}

// Deals of an earlier period that were won as early as those of this one had to be.
const wonBy = (deals, day) => deals.filter((row) => isWon(row) && row.closed !== null && row.closed <= day);

// By month of creation: the share of deals that were won by the end of that month and of later months; null if the month is not over.
function cohorts(view) {
  const now = monthOf(view.today);
  return blockOf("cohorts", grouped(view.created().map((row) => ({ ...row, month: monthOf(row.created) })), "month").map((of) => {
    const [{ month }, won] = [of[0], of.filter(isWon)];
    const closedBy = (last) => won.filter((row) => row.closed !== null && monthOf(row.closed) <= last).length;
    const within = COHORT_MONTHS.map((months) => [`within${months}`, shifted(month, months)]);
    return { month, of, deals: of.length, ...metrics(of, "won_of_created", "won_of_created_budget"),
      ...Object.fromEntries(within.map(([name, last]) => [name, last < now ? ratio(closedBy(last), of.length) : null])) };
  }));
}

function stuck(view) {
  const sorts = new Map((TABLES.stages || []).map((row, place) => [`${row.project_id}/${row.pipeline_id}/${row.status_id}`, place]));
  const ages = AGES.filter((age) => age < 4 || view.open().some((row) => row.age === 4)); // alike in all pipelines
  return grouped(view.open(), "project_id", "pipeline_id").flatMap((found) => {
    const rows = named(grouped(found, "status_id").map((of) => ({
      place: sorts.get(`${of[0].project_id}/${of[0].pipeline_id}/${of[0].status_id}`) ?? Infinity, of, stage: stageName(of[0]),
      ...counting(Object.fromEntries(ages.map((age) => [`age${age}`, of.filter((row) => row.age === age)]))),
      deals: metric("open", of), budget: metric("open_budget", of),
    })).sort((one, other) => one.place - other.place || 0), "stage");
    return blockOf("stuck", rows, {
      pipeline: found[0], size: found.length, ages, drawn: rows.flatMap((row, at) => ages.map((age) => (
        { stage: row.stage, key: row.key, age_order: age, deals: row[`age${age}`], at, column: `age${age}` }))).filter((one) => one.deals),
    });
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
  return linked({ ...deal, ...row, responsible_user_id, name, client, open_tasks, stage: row.status_name || (deal ? stageName(deal) : null),
    pipeline_name: deal ? pipelineName(deal) : null, created_text: deal && textOf(deal.created),
    closed_text: deal && deal.closed !== null ? textOf(deal.closed) : null });
}
const dealsById = once(() => new Map(TABLES.deals.map((row) => [`${row.project_id}/${row.deal_id}`, row])));
const cardsByDeal = once(() => new Map((TABLES.cards || []).map((row) => [row.deal, row])));

// Which of these tables of the connector an account of the view does not have.
const unread = (view, ...tables) => tables.filter((table) => (
  (TABLES.freshness || []).some((row) => row.source_table === table && !row.is_there && view.inScope(row))));

// Whom to turn to next: the ten most urgent cards of each manager; and the dead deals as one line with their list.
function queue(view) {
  const all_dead = forgotten(view, "dead");
  const [deals, dead] = [all_dead.length, all_dead.slice(0, LISTED).map(listed)];
  const people = grouped(view.now("queue"), "project_id", OWN).map((of) => {
    const rows = of.slice(0, QUEUE_SHOWN).map((row) => (
      { ...linked(row), client: row.client === row.name ? null : row.client, days_missing: row.reason === "task" ? "queue.days.due" : null }));
    const cards = sum(grouped(of, "pipeline_id").map(([first]) => first), "cards"); // every card has the number of its pipeline and manager
    return { fold: `${of[0].project_id}/${of[0][OWN]}`, name: nameOf(of[0].project_id, of[0][OWN]), rows, cards, urgency: of[0].urgency };
  }).sort((one, other) => one.urgency - other.urgency || other.cards - one.cards);
  // the managers that somebody has opened stay open, unless none of them is in view
  const opened = state.opened && [...state.opened].filter((id) => id !== "dead");
  const isKept = opened && (!opened.length || people.some(({ fold }) => opened.includes(fold)));
  const lacking = unread(view, "calls", "deal_statuses", "events", "messages", "notes", "talks", "tasks");
  return [
    { rows: [], columns: [], insights: people.length ? [] : [[lacking.length ? "queue.unknown" : "queue.empty", {}]],
      notes: lacking.length ? [["queue.unread", { tables: ["text", lacking.join(", ")] }]] : [] },
    ...people.flatMap(({ fold, name, rows, cards }, place) => blockOf("queue", rows, {
      fold, open: isKept ? opened.includes(fold) : place === 0,
      summary: ["queue.person", { name: ["text", name === null ? said("user.nobody") : name], shown: ["number", rows.length], cards: ["number", cards] }],
      after: cards > rows.length ? [["queue.more", { rest: ["number", cards - rows.length] }]] : [],
    })),
    ...blockOf("queue.dead", dead, {
      summary: ["queue.dead", { deals: ["number", deals], money: ["money", sum(all_dead, "budget")] }], open: state.opened !== null && state.opened.has("dead"),
      after: deals > dead.length ? [["queue.dead_more", { shown: ["number", dead.length] }]] : [],
    }),
  ];
}

function today(view) {
  const found = view.now("today");
  const with_reason = (of) => each(REASONS, (reason) => () => of.filter((row) => row[reason]));
  const people = byOwner(found, (of) => {
    const account = TABLES.accounts.find((row) => row.project_id === of[0].project_id);
    return { ...each(REASONS, (reason) => (account[`knows_${reason}`] ? sum(of, reason) : null)), cards: of.length, budget: sum(of, "budget"), of, opens: with_reason(of) };
  }).sort(falling("budget", "cards"));
  const knows = (reason) => TABLES.accounts.some((row) => view.inScope(row) && row[`knows_${reason}`]);
  const counts = each(REASONS, (reason) => ["number", knows(reason) ? sum(people, reason) : null]);
  const once_each = [...new Map(found.map((row) => [`${row.project_id}/${row.entity_type}/${row.entity_id}`, row])).values()]; // a deal may wait for several people
  return blockOf("today", people, {
    drawn: people.slice(0, TOP), insights: [["today.insight", { ...counts, money: ["money", sum(once_each, "budget")] }, with_reason(found)]],
  });
}

// The present month by day: the day's own sales, those up to the day, and the plan up to it if every day of work has the same part of it.
function pace(view) {
  const [now, month] = [view.today, ofThisMonth(view.scope, view.who)];
  const [won, plans, { first }] = [month.so_far.closed().filter(isWon), month.plans(), month.period];
  const plan = plans.length ? sum(plans, "plan") : null;
  const upTo = (day) => won.filter((row) => row.closed <= day);
  const days = DATA.days[now].passed.map((passed, place) => {
    const [day, of] = [first + place, won.filter((row) => row.closed === first + place)];
    return { month: textOf(day), of, ...metrics(of, "won", "won_budget"), opens: { sold_to_day: () => upTo(day) },
      sold_to_day: metric("won_budget", upTo(day)), plan: plan === null ? null : Math.round(plan * passed) };
  });
  const rows = days.slice(0, now - first + 1).reverse();
  const [{ sold_to_day, plan: by_now }] = rows;
  const planned = new Set(plans.map((row) => `${row.project_id}/${row.responsible_user_id}`));
  const of_plan = metric("won_budget", won.filter((row) => planned.has(`${row.project_id}/${row.closer_id}`)));
  return !won.length && plan === null ? [] : blockOf("pace", rows, {
    drawn: days.map((row, place) => ({ ...row, won_budget: place < rows.length ? row.sold_to_day : 0, at: rows.length - 1 - place, column: "sold_to_day" })),
    insights: [plan === null ? ["pace.sold", { sold: ["money", sold_to_day] }]
      : ["pace.insight", { sold: ["money", sold_to_day], plan: ["money", by_now], share: ["percent", ratio(of_plan, by_now)] }]],
  });
}

function forecast(view) {
  const off = ({ sold }, guess) => ratio(Math.abs(guess - sold), sold);
  const found = TABLES.forecast.filter((row) => view.inScope(row) && row.pipeline_id === view.scope.pipeline).map((row) => ({
    ...row, month: monthOf(row.month), won_budget: row.months_back ? row.sold : null, expected_missing: "forecast.few_then",
    bar: row.months_back ? row.sold : row.months_ahead ? null : row.sold_so_far,
    off: row.months_back && row.expected !== null ? off(row, row.expected) : null,
  }));
  const ahead = grouped(found, "project_id").flatMap((rows) => {
    const [{ project_id: project }, known] = [rows[0], rows.filter((row) => row.expected !== null)];
    const past = known.filter((row) => row.months_back);
    for (const row of rows.filter((one) => one.months_back && firstOf(one.month) >= sinceOf(project))) {
      const deals = () => chosen(view.scope, monthPeriod(row.month), null).closed();
      row.opens = { won_budget: () => deals().filter((deal) => isWon(deal) && deal.project_id === project) };
    }
    if (past.length === known.length) return [{ title: "forecast.ahead", project, rows: [], columns: [], notes: ["forecast.few"] }];
    const capped = (TABLES.capped_deals || []).filter((row) => row.project_id === project);
    const names = capped.slice(0, 3).map((row) => row.name || `#${row.deal_id}`).join(", ") + (capped.length > 3 ? "…" : "");
    return blockOf("forecast", rows, {
      project, notes: known.length < rows.length ? ["forecast.few_rest"] : [],
      insights: [...known.filter((row) => !row.months_back && !row.months_ahead).map((row) => ["forecast.parts", {
        expected: ["money", row.expected], sold: ["money", row.sold_so_far], open: ["money", row.from_open], to_come: ["money", row.from_new],
      }]), ...(past.length ? [["forecast.record", {
        count: ["number", past.length], inside: ["number", past.filter((row) => row.sold >= row.low && row.sold <= row.high).length],
        off: ["percent", median(past.map((row) => row.off))], before: ["percent", median(past.map((row) => off(row, row.sold_month_before)))],
      }]] : []), ...(capped.length ? [["forecast.capped", {
        cap: ["money", rows.find((row) => !row.months_back).budget_cap], deals: ["number", capped.length], names: ["text", names],
      }]] : [])],
    });
  });
  const stages = TABLES.forecast_stages.filter((row) => row.pipeline_id === view.scope.pipeline && row.project_id === view.scope.project);
  return [...ahead, ...pace(view), ...blockOf("forecast.stages", stages.map((row) => ({ ...row, stage: stageName(row) })))];
}

const stageName = (row) => ((TABLES.stages || []).find((one) => (
  one.project_id === row.project_id && one.pipeline_id === row.pipeline_id && one.status_id === row.status_id)) || {}).status_name || `#${row.status_id}`;

// The note that a section knows nothing of some accounts.
const ofUnknown = (accounts) => (accounts.length ? [["moved.unknown", { names: ["text", accounts.map((one) => accountName(one.project_id)).join(", ")] }]] : []);

function stale(view) {
  const found = forgotten(view);
  const unknown = TABLES.accounts.filter((account) => view.inScope(account) && !account.knows_activity);
  return blockOf("stale", found.slice(0, STALE_SHOWN).map(listed), {
    notes: ofUnknown(unknown), insights: [["stale.insight", { deals: ["number", found.length], money: ["money", sum(found, "budget")] }]],
  });
}

// Conversations of the period in which a client wrote: how long a person's first answer took; and all in which a client waits now.
function talks(view) {
  const waiting = view.now("talks").filter(countsIn("unanswered")).map((row) => ({ ...row, waits: true }));
  // of these accounts nobody knows which conversations are open
  const unknown = new Set(TABLES.accounts.filter((row) => view.inScope(row) && !row.knows_waiting).map((row) => row.project_id));
  const answeredBy = (of, who) => of.filter((row) => row.answered_by === who).length;
  const counts = (of) => ({ ...metrics(of, "talks", "first_response"), by_person: answeredBy(of, "person"), by_robot: answeredBy(of, "robot"), by_nobody: answeredBy(of, null) });
  const found = view.talks();
  // as of now a client may wait in a conversation that began before the period
  const withWaiting = (isUnknown, ...columns) => grouped([...found, ...waiting], ...columns).map((of) => ({
    name: nameOf(of[0].project_id, of[0].responsible_user_id), channel: of[0].channel, ...counts(of.filter((row) => !row.waits)),
    unanswered: isUnknown(of[0]) ? null : of.filter((row) => row.waits).length,
  })).sort(falling("talks", "unanswered"));
  const hours = grouped([...found].sort((one, other) => one.hour - other.hour), "hour").map((of) => ({ hour: of[0].hour, ...counts(of) }));
  const { first_response: half } = counts(found);
  return [
    ...blockOf("talks", withWaiting((row) => unknown.has(row.project_id), "project_id", OWN), { insights: [
      ...(half === null ? [] : [["talks.insight", { minutes: ["number", half] }]]),
      ["talks.waiting", { unanswered: ["number", unknown.size ? null : waiting.length] }],
    ] }),
    ...blockOf("talks.channels", withWaiting(() => unknown.size, "channel")),
    ...blockOf("talks.hours", hours, { drawn: hours.filter((row) => row.by_person >= DATA.few) }),
  ];
}

// A table of weekdays and hours, drawn in shades. `counts`: numbers by the hour of the week; `lists`: the deals behind them.
function byHourOfWeek(counts, more, lists) {
  // shades by rank, so that one act on many cards does not make all the others white
  const ranked = [...counts.values()].sort((one, other) => one - other);
  const level = (count) => (count ? Math.ceil((LEVELS * (ranked.lastIndexOf(count) + 1)) / ranked.length) : 0);
  const [hours, names] = [[...Array(24).keys()], [...Array(24).keys()].map((hour) => `h${hour}`)];
  const rows = [...Array(7).keys()].map((weekday) => {
    const row = { weekday, ...each(names, (_, hour) => counts.get(24 * weekday + hour) || 0) };
    const deals = (hour) => lists.get(24 * weekday + hour) || [];
    const opens = lists && { ...each(names, (_, hour) => () => deals(hour)), touches: () => hours.flatMap(deals) };
    return { ...row, touches: names.reduce((total, name) => total + row[name], 0), opens };
  });
  return blockOf("hours", rows, {
    most: Math.max(...counts.values(), 0), ...more,
    drawn: rows.flatMap((row) => names.map((column, hour) => (
      { weekday: row.weekday, hour, touches: row[column], level: level(row[column]), at: row.weekday, column }))),
  });
}

function hours(view) {
  const found = view.hours();
  const counts = new Map(grouped(found, "hour_of_week").map((of) => [of[0].hour_of_week, sum(of, "touches")]));
  return found.length ? byHourOfWeek(counts, { notes: view.period.whole ? [] : ["hours.by_month"] }) : [];
}

// The deals that came: when, how fast a person touched them and what became of them; and the incoming calls.
function incoming(view) {
  const created = view.created();
  const by_hour = new Map(grouped(created, "hour_of_week").map((of) => [of[0].hour_of_week, of]));
  const knows = new Map(TABLES.accounts.map((row) => [row.project_id, row.knows_touches]));
  const known = created.filter((row) => knows.get(row.project_id));
  const speeds = new Map(grouped(known, "speed").map((of) => [of[0].speed, of]));
  const half = metric("first_touch_working", known);
  const people = byOwner(known, (of) => (
    { of, ...counting({ deals: of, touched: of.filter(isCase("first_touch_working")) }), ...metrics(of, "first_touch_working", "first_touch") }))
    .sort(falling("deals", "touched"));
  const touched = !known.length ? [] : SPEEDS.map((speed) => {
    const of = speeds.get(speed) || [];
    const { created: deals, ...sold } = metrics(of, "created", "won_of_created", "source_rate", "won_of_created_budget");
    return { speed: said(speed === null ? "speed.none" : `speed.${speed}`), of, deals, share: ratio(deals, created.length), ...sold };
  });
  const callbacks = view.callbacks();
  const calls = byOwner(view.calls(), (of) => {
    const [{ project_id: project, [OWN]: user }, all, missed] = [of[0], sum(of, "incoming_calls"), sum(of, "missed_calls")];
    const back = callbacks.filter((row) => row.project_id === project && row[OWN] === user);
    return { incoming_calls: all, answered: all - missed, missed_calls: missed, missed_share: ratio(missed, all), called_back: sum(of, "called_back"),
      ...metrics(back, "back_after"), back_within_hour: sum(of, "back_within_hour"), missing: "incoming.by_name" };
  }).sort(falling("incoming_calls", "missed_calls"));
  const no_calls = unread(view, "calls").length ? ["incoming.no_calls"] : [];
  const no_touches = TABLES.accounts.some((row) => !row.knows_touches && view.inScope(row)) ? ["incoming.no_touches"] : [];
  const notes = view.isFiltered ? ["incoming.all_calls"] : no_calls;
  return [
    ...(created.length ? byHourOfWeek(new Map([...by_hour].map(([hour, of]) => [hour, of.length])), {
      title: "incoming.hours", opens: "touches", notes: no_touches, heads: [["column.touches", "column.deals"]],
    }, by_hour) : []),
    ...blockOf("incoming.speed", touched, { insights: half === null ? [] : [["incoming.half", { minutes: ["working", half] }]] }),
    ...blockOf("incoming.people", people),
    ...blockOf("incoming.calls", calls, { notes: no_calls }),
    ...(!calls.length && created.length && notes.length ? [{ rows: [], columns: [], notes }] : []),
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
  const counts = (of) => {
    const own = of.filter((row) => row.day >= view.period.first);
    return { at_start: openBefore(of, view.period.first), at_end: openBefore(of, Infinity), ...each([...GAINS, ...LOSSES, ...CROSSED], (name) => sum(own, name)) };
  };
  const all = counts(found);
  const unknown = TABLES.accounts.filter((account) => view.inScope(account) && !(account.stages_known && account.budgets_known));
  const block = (title, head, isPart, [moved_in, moved_out], rows, notes) => {
    const names = [...GAINS, ...LOSSES].map((name) => (isPart ? name : { moved_in, moved_out }[name] || name));
    const shown = ["at_start", ...names.filter((name) => all[name]), "at_end"];
    return { title, cards: true, notes, total: shown, columns: [head, ...shown.map((name) => [name, "money"])],
      rows: rows.filter((row) => shown.some((name) => row[name])).sort(falling("at_end", "at_start")) };
  };
  const pipelines = grouped(found, "project_id", "pipeline_id").map((of) => ({ pipeline_name: pipelineName(of[0]), ...counts(of) }));
  const people = byOwner(found, (of) => ({ missing: "moved.nobody", ...counts(of) }));
  return ["at_start", ...GAINS, ...LOSSES, "at_end"].some((name) => all[name]) ? [
    block("moved.pipelines", ["pipeline_name", "text", null, "filter.scope"], view.who || DATA.only, CROSSED.slice(0, 2), pipelines, ["moved.where", ...ofUnknown(unknown)]),
    block("moved.managers", ["name", "text", "owner_then"], view.scope.pipeline !== null, CROSSED.slice(2), people),
  ] : [];
}

function repeat(view) {
  const [created, closed] = [view.created(), view.closed()].map((rows) => new Map(grouped(rows, "is_repeat").map((of) => [of[0].is_repeat, of])));
  return blockOf("repeat", CLIENTS.filter((kind) => created.has(kind) || closed.has(kind)).map((kind) => {
    const [came, won] = [created.get(kind) || [], (closed.get(kind) || []).filter(isWon)];
    const { created: deals, ...sold } = metrics(came, "created", "won_of_created", "source_rate");
    return { client: said(`repeat.${kind}`), deals, ...sold, ...metrics(won, "won", "won_budget", "average"), of: { created: () => came, closed: () => won } };
  }));
}

// Goods of the deals won and of the purchases made in the period.
function goods(view) {
  const won = once(() => new Map(view.closed().filter(isWon).map((row) => [`${row.project_id}/${row.deal_id}`, row])));
  const sold = (is_purchase) => grouped(view.goods().filter((row) => row.is_purchase === is_purchase), "good").map((of) => {
    const [{ good }, sales] = [of[0], grouped(of, "project_id", "sale").map(([row]) => row)];
    return {
      good: good === true ? null : good, missing: good === true ? "sources.other" : "card.nameless", quantity: sum(of, "quantity"), sales: sales.length,
      opens: is_purchase ? {} : { sales: () => sales.map((row) => won().get(`${row.project_id}/${row.sale}`)).filter(Boolean) },
      amount_now: of.some((row) => row.amount_now !== null) ? sum(of, "amount_now") : null,
    };
  }).sort((one, other) => (one.missing === "sources.other") - (other.missing === "sources.other") || falling("amount_now", "quantity")(one, other));
  return [...blockOf("goods.deals", sold(false)), ...blockOf("goods.purchases", sold(true))];
}

function work(view) {
  const lacking = new Set((TABLES.freshness || []).filter((row) => !row.is_there).map((row) => `${row.project_id}/${row.source_table}`));
  const rows = grouped(view.work(), "project_id", OWN, "name_alone").map((of) => {
    const [{ project_id: project, name_alone, [OWN]: user }] = of;
    const count = (column) => (lacking.has(`${project}/${SHOWN_BY[column]}`) ? null : sum(of, column));
    return { name: nameOf(project, user) || name_alone, ...each(Object.keys(SHOWN_BY), count) };
  });
  return blockOf("work", rows.sort(falling("calls_out", "stage_moves", "tasks_done")));
}

// What one author changed in many cards at once: what is news; and what is habit, in one line.
function atOnce(view) {
  const found = view.at_once().map((row) => ({ ...row, zone: "UTC", name: nameOf(row.project_id, row[OWN]), what: said(`at_once.${row.kind}`) }));
  const [rows, habit] = [true, false].map((isNews) => found.filter((row) => row.is_news === isNews));
  const people = [...new Set(habit.map(({ name }) => name))].join(", ");
  const after = habit.length ? [["at_once.habit", { changes: ["number", habit.length], cards: ["number", sum(habit, "cards")], people: ["text", people] }]] : [];
  return rows.length || !found.length ? blockOf("at_once", rows, { after }) : [{ rows, columns: [], after }];
}

function freshness(view) {
  const account = (row) => (TABLES.accounts.length > 1 ? row.account : null);
  return blockOf("freshness", TABLES.freshness.filter((row) => row.is_there && view.inScope(row)).map((row) => ({ ...row, account: account(row) })));
}

const COUNT = { queue, people, money, funnel, forecast, today, managers, incoming, sources, by, reasons, sides, moved, stuck, stale, repeat, goods, cohorts, talks, hours, work, at_once: atOnce, freshness };
const SECTIONS = embedded("sections").map((section) => ({ ...section, count: COUNT[section.id] }));
const FOLDED = SECTIONS.filter(({ open }) => !open).map(({ id }) => id); // until somebody opens them
