"use strict";

// The page's tables, and their rows of a choice: a scope (everything, an account, a pipeline), a period, and who (a team or a manager).

const embedded = (id) => JSON.parse(document.getElementById(id).textContent);
const METRICS = embedded("metrics");
let DATA; // what page_data.py packed
let TABLES; // rows by table; a table that could not be built is missing
let SCOPES;
let PEOPLE; // names and teams by "project/user"

const inCents = (amount) => Math.round(100 * amount) / 100;
const sum = (rows, column) => inCents(rows.reduce((total, row) => total + (row[column] || 0), 0));
const ratio = (part, whole) => (whole ? part / whole : null);

function median(values) {
  const found = values.filter((value) => value !== null).sort((one, other) => one - other);
  if (!found.length) return null;
  const middle = Math.floor(found.length / 2);
  return found.length % 2 ? found[middle] : (found[middle - 1] + found[middle]) / 2;
}

const COUNTS = new Map(); // by metric

// Whether a row counts in a metric (countsIn), and the value of a metric over rows (metric).
function countsIn(name) {
  if (!COUNTS.has(name)) {
    const [first, ...rest] = Object.entries(METRICS[name].when || {}).map(([column, values]) => (
      values.length === 1 ? (row) => row[column] === values[0] : (row) => values.includes(row[column])));
    COUNTS.set(name, !first ? () => true : rest.length ? (row) => first(row) && rest.every((one) => one(row)) : first);
  }
  return COUNTS.get(name);
}

function metric(name, rows) {
  const { share, sum: summed, median: middle } = METRICS[name];
  if (share) return ratio(metric(share[0], rows), metric(share[1], rows));
  const counts = countsIn(name);
  if (middle) return median(rows.filter(counts).map((row) => row[middle]));
  let total = 0; // without a list of the rows that count, which takes longer than the sum
  for (const row of rows) if (counts(row)) total += summed ? row[summed] || 0 : 1;
  return summed ? inCents(total) : total;
}

// Whether a row is one of those that the value of a metric is of.
function isCase(name) {
  const [{ median: middle }, counts] = [METRICS[name], countsIn(name)];
  return middle ? (row) => counts(row) && row[middle] !== null : counts;
}

// How many deals a metric is of, among those that `of` has created and closed; of a share those of its whole.
function casesOf(name, of) {
  const { share, day } = METRICS[name];
  if (share) return casesOf(share[1], of);
  return of[day]().filter(isCase(name)).length;
}

const isAverage = (name) => Boolean(METRICS[name].share || METRICS[name].median);
// Whether a metric may be compared in percent, by the deals that it is of now and before; like_with_like.py has the rule.
const isComparable = (name, cases, before) => before >= DATA.few && (!isAverage(name) || cases >= DATA.few);

// What `make` makes of each name, by name.
const each = (names, make) => Object.fromEntries(names.map((name, at) => [name, make(name, at)]));
const metrics = (rows, ...names) => each(names, (name) => metric(name, rows));
const falling = (...columns) => (one, other) => {
  const column = columns.find((name) => one[name] !== other[name]);
  return column ? other[column] - one[column] : 0;
};

// A day is its number since 1970.
const dayOf = (text) => Date.UTC(...text.split("-").map((part, place) => Number(part) - (place === 1 ? 1 : 0))) / 864e5;
const DATES = new Map(); // texts by day; making one takes longer than a hundred uses
function textOf(day) {
  if (!DATES.has(day)) DATES.set(day, new Date(day * 864e5).toISOString().slice(0, 10));
  return DATES.get(day);
}
const monthOf = (day) => textOf(day).slice(0, 7);
const firstOf = (month) => dayOf(`${month}-01`);
const lastOf = (month) => firstOf(shifted(month, 1)) - 1;

function shifted(month, by) {
  const count = 12 * Number(month.slice(0, 4)) + Number(month.slice(5, 7)) - 1 + by;
  return `${String(Math.floor(count / 12)).padStart(4, "0")}-${String((count % 12) + 1).padStart(2, "0")}`;
}

function monthsBetween(first, last) {
  const months = [];
  for (let month = monthOf(first); month <= monthOf(last); month = shifted(month, 1)) months.push(month);
  return months;
}

// Groups of rows with equal values in the columns; groups and rows keep their order.
function grouped(rows, ...columns) {
  const [tree, groups, last] = [new Map(), [], columns.length - 1];
  for (const row of rows) {
    let branch = tree; // by the value of the first column, of the second …
    for (let place = 0; place <= last; place += 1) {
      const value = row[columns[place]];
      if (!branch.has(value)) {
        branch.set(value, place === last ? [] : new Map());
        if (place === last) groups.push(branch.get(value));
      }
      branch = branch.get(value);
    }
    branch.push(row);
  }
  return groups;
}

function unfolded(column) {
  if (Array.isArray(column)) return column;
  if (column.of) return column.at.map((place) => column.of[place]);
  let last = 0;
  return (column.days || column.numbers).map((by) => { if (by !== null) last += by; return by === null ? null : last; });
}

function rowsOf(table) {
  const columns = Object.entries(table).map(([name, column]) => [name, unfolded(column)]);
  const rows = new Array(columns[0][1].length);
  // a copy of a row that has all columns: one that gets many columns one by one is slow to read and to copy in Chromium
  const empty = JSON.parse(JSON.stringify(each(Object.keys(table), () => null)));
  for (let place = 0; place < rows.length; place += 1) {
    const row = { ...empty };
    for (const [name, values] of columns) row[name] = values[place];
    rows[place] = row;
  }
  return rows;
}

// Gives an object a property that is computed on first read, so the first figures appear at once.
function lazily(object, name, make) {
  const settled = (value) => Object.defineProperty(object, name, { value, writable: true, configurable: true, enumerable: true })[name];
  Object.defineProperty(object, name, { get: () => settled(make()), set: settled, configurable: true, enumerable: true });
}

// What `make` makes, or what `otherwise` makes of its error.
function tried(make, otherwise) {
  try {
    return make();
  } catch (error) {
    return otherwise(error);
  }
}

// A function that makes its value once.
function once(make) {
  let made;
  return () => { made = made || { value: make() }; return made.value; };
}

// The text of an element that report_page.py compressed.
async function unpacked(id) {
  const letters = atob(document.getElementById(id).textContent.trim());
  const bytes = new Uint8Array(letters.length);
  for (let place = 0; place < bytes.length; place += 1) bytes[place] = letters.charCodeAt(place); // Uint8Array.from would take ten times as long
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
}

async function load() {
  const [first, ...lines] = (await unpacked("data")).split("\n");
  DATA = JSON.parse(first);
  TABLES = {};
  DATA.tables.forEach((name, place) => lazily(TABLES, name, () => rowsOf(JSON.parse(lines[place]))));
  if (TABLES.deals) TABLES.deals.forEach((row, place) => { row.deal = place; });
  for (const name of ["ways", "stays"].filter((one) => DATA.tables.includes(one))) {
    lazily(TABLES, name, () => rowsOf(JSON.parse(lines[DATA.tables.indexOf(name)])).map((row) => {
      const { project_id, created, responsible_user_id } = TABLES.deals[row.deal];
      return Object.assign(row, { project_id, created, responsible_user_id });
    }));
  }
  PEOPLE = new Map((TABLES.people || []).map((row) => [`${row.project_id}/${row.user_id}`, row]));
  SCOPES = DATA.scopes;
}

// The day of the build by the account's own clock; of several accounts the earliest, which has begun for all of them.
const todayOf = (project) => Math.min(...TABLES.accounts.filter((row) => project === null || row.project_id === project).map((row) => row.today));

// The first day of the account's first month with data; of all accounts the earliest.
const sinceOf = (project) => dayOf((project !== null && DATA.begins[project]) || DATA.since);

// The periods to choose from, as page_days.py makes them of the account's day. One that is older than the data begins with them,
// and has `since`; the last months are offered where data are older.
function periods(project) {
  const since = sinceOf(project);
  return DATA.days[todayOf(project)].periods.filter(({ kind, first, last }) => last >= since && (first > since || !/^last\d/.test(kind)))
    .map((period) => (period.first < since ? { ...period, first: since, since } : period));
}

const monthPeriod = (month) => ({ id: month, kind: "month", first: firstOf(month), last: lastOf(month), whole: true });

// A period between two chosen days. If it consists of whole months, it has plans, which are monthly.
function ownPeriod(first, last, today) {
  const whole = textOf(first).endsWith("-01") && (last === lastOf(monthOf(last)) || last >= today);
  return { id: `${textOf(first)}..${textOf(last)}`, kind: "own", group: "long", first, last, whole };
}

// The period of an id. Own days are turned round if they are reversed, and begin with the data; null if none of them is in the report.
function periodOf(id, project) {
  const texts = id.split("..");
  if (texts.length === 1) return periods(project).find((one) => one.id === id) || null;
  const [since, today, [first, last]] = [sinceOf(project), todayOf(project), texts.map(dayOf).sort((one, other) => one - other)];
  const isDays = texts.length === 2 && texts.every((text) => /^\d{4}-\d\d-\d\d$/.test(text) && Number.isFinite(dayOf(text)));
  return isDays && last >= since && first <= today ? ownPeriod(Math.max(first, since), last, today) : null;
}

// The days with which a period is compared, and the day of then that is as today is now; like_with_like.py has the rule.
function daysBefore({ first, last, whole }, today) {
  const months = whole ? monthsBetween(first, last).length : 0;
  const length = first === last ? 7 : last - first + 1; // a day is compared with the same weekday
  const now = whole ? DATA.days[today].like_today[months] : today - length; // of months, with as many days of work
  return { first: whole ? firstOf(shifted(monthOf(first), -months)) : first - length, last: last >= today ? now : whole ? first - 1 : last - length, today: now };
}

// A user's name; with the id if another user of the account has it; with the account if several are in view and two of them have a user of this name, and with a word if the access is switched off.
const nameOf = (project, user) => {
  if (user === null || user === undefined) return null;
  if (user === 0) return said("user.robot");
  const { name = `№ ${user}`, is_deactivated, is_double, is_namesake } = PEOPLE.get(`${project}/${user}`) || {};
  const shown = [is_double ? `${name} (${user})` : name, state.scope.project === null && is_namesake && accountName(project), is_deactivated && said("user.deactivated")].filter(Boolean).join(" · ");
  BARE.set(shown, name);
  return shown;
};
const BARE = new Map(); // names without what nameOf adds to them
// Users whom amoCRM lists with access to the account. Robots, removed and deactivated users are no part of a median of people.
const isPerson = (project, user) => (PEOPLE.get(`${project}/${user}`) || { is_deactivated: true }).is_deactivated === false;

const WHOS = new Map(); // by scope

// The teams and people to choose from: people are users with deals, tasks, plans or work.
function whos(scope) {
  if (WHOS.has(scope.id)) return WHOS.get(scope.id);
  const inScope = (row) => scope.project === null || row.project_id === scope.project;
  const people = DATA.owners.filter(([project]) => scope.project === null || project === scope.project).map(([project, user]) => (
    { id: `${project}/${user}`, project, users: [user], get name() { return nameOf(project, user); } })); // in the present language
  const teams = grouped((TABLES.people || []).filter((row) => inScope(row) && row.team), "project_id", "group_id").map((of) => (
    { id: `${of[0].project_id}/team/${of[0].group_id}`, project: of[0].project_id, users: of.map((row) => row.user_id), name: of[0].team }));
  const byName = (one, other) => one.name.localeCompare(other.name);
  WHOS.set(scope.id, { teams: teams.sort(byName), people: people.sort(byName) });
  return WHOS.get(scope.id);
}

// The filters of deals by tag, source and field that fit a scope; each gives the options of a deal, by its place in the table.
function filtersOf(scope) {
  return DATA.filters.filter((filter) => filter.project === null || scope.project === null || filter.project === scope.project)
    .map((filter) => ({ ...filter, has: (place, option) => (filter.at[place] === null ? option === null : option !== null && filter.sets[filter.at[place]].includes(filter.options.indexOf(option))) }));
}

// Which deals have the chosen options: null if none is chosen, else a byte for each deal. `where`: options by filter; null is a deal without one.
let lastFitting = { key: "[]", bytes: null };
function fitting(scope, where) {
  const key = JSON.stringify([scope.project, ...where]);
  if (!where.size) return null;
  if (lastFitting.key !== key) {
    const bytes = new Uint8Array(TABLES.deals.length).fill(1);
    for (const filter of filtersOf(scope)) {
      if (!where.has(filter.id)) continue;
      const [option, bySet] = [where.get(filter.id), new Map()]; // deals share few sets of options
      for (let place = 0; place < bytes.length; place += 1) {
        const set = filter.at[place];
        if (!bySet.has(set)) bySet.set(set, filter.has(place, option));
        if (!bySet.get(set) || (filter.project !== null && TABLES.deals[place].project_id !== filter.project)) bytes[place] = 0;
      }
    }
    lastFitting = { key, bytes };
  }
  return lastFitting.bytes;
}

const DAYS = new Map(); // of deals by column, for fast comparisons; made anew for each choice

function daysOfDeals(column) {
  if (!DAYS.has(column)) DAYS.set(column, Int32Array.from(TABLES.deals, (row) => (row[column] === null ? -2147483648 : row[column])));
  return DAYS.get(column);
}

// The choice's present month.
const ofThisMonth = (scope, who) => chosen(scope, monthPeriod(monthOf(todayOf(scope.project))), who);

const OWN = "responsible_user_id";
const OF_DEALS = ["deals", "ways", "stays"]; // tables to which filters by tag, source and field apply; of the others they leave nothing

// The view of a choice: functions that return its rows.
function chosen(scope, period, who) {
  const users = who && new Set(who.users);
  const ofFilters = fitting(scope, state.where);
  const inScope = (row) => scope.project === null || row.project_id === scope.project;
  const account = TABLES.accounts.find(inScope);
  const fits = (row, column) => (
    inScope(row)
    && (scope.pipeline === null || !("pipeline_id" in row) || row.pipeline_id === scope.pipeline)
    && (users ? row.project_id === who.project && users.has(row[column]) : !DATA.only || (row[column] !== null && row[column] !== undefined)));
  const hasRows = (name) => TABLES[name] && (!ofFilters || OF_DEALS.includes(name));
  const of = (name, first, last, day) => (hasRows(name) ? TABLES[name] : []).filter((row) => (
    (!ofFilters || ofFilters[row.deal]) && (!day || (row[day] !== null && row[day] >= first && row[day] <= last)) && fits(row, OWN)));
  const today = todayOf(scope.project);
  const deals = (first, last, day, column) => {
    const [days, found] = [daysOfDeals(day), []];
    for (let place = 0; place < days.length; place += 1) {
      if (days[place] >= first && days[place] <= last && (!ofFilters || ofFilters[place]) && fits(TABLES.deals[place], column)) found.push(TABLES.deals[place]);
    }
    return found;
  };
  const between = (first, last) => ({
    created: once(() => deals(first, last, "created", OWN)),
    closed: once(() => deals(first, last, "closed", "closer_id")),
    ways: once(() => of("ways", first, last, "created")),
    stays: once(() => of("stays", first, last, "created")),
    work: () => of("work", first, last, "day"),
    at_once: () => of("at_once", first, Math.min(last, today), "day"), // an event may be dated ahead of the account
    talks: () => of("talks", first, last, "began"),
    calls: () => of("calls", first, last, "day"),
    callbacks: () => of("callbacks", first, last, "day"),
    goods: () => of("goods", first, last, "day"),
    moved: () => of("moved", -Infinity, Math.min(last, today), "day"), // the days before tell the money at the start
    hours: () => of("hours", firstOf(monthOf(first)), last, "month"), // by month: all months that the period touches
  });
  const isFiltered = ofFilters !== null;
  const planned = scope.pipeline === null && period.whole && !isFiltered;
  const hasCosts = !users && planned; // costs are of all people and pipelines, by month
  return {
    scope, inScope, period, who, today, account, currency: account && account.currency, between, ...between(period.first, period.last),
    so_far: between(period.first, Math.min(period.last, today)), // what is compared
    now: (name) => of(name),
    isFiltered,
    hasCosts,
    costs: () => (hasCosts && TABLES.costs ? TABLES.costs.filter((row) => row.month >= period.first && row.month <= period.last && (row.project_id === null || inScope(row))) : []),
    open: once(() => of("deals").filter(countsIn("open"))),
    planned,
    plans: () => (planned ? of("plans", period.first, Math.min(period.last, today), "month") : []),
    last: Math.min(period.last, today),
    // null if the page does not hold those days
    before: () => {
      if (period.kind === "all") return null;
      const days = daysBefore(period, today);
      return days.first < sinceOf(scope.project) ? null : { ...days, ...between(days.first, days.last) };
    },
  };
}
