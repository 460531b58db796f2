"use strict";

// What the page holds, and what of it is chosen: a scope (everything, an account, a pipeline) and a period.

const embedded = (id) => JSON.parse(document.getElementById(id).textContent);
const DATA = embedded("data");
const TABLES = Object.fromEntries(Object.entries(DATA.tables).map(([name, { columns, rows }]) => {
  let whole = [];
  return [name, rows.map((row) => {
    whole = [...whole.slice(0, columns.length - row.length), ...row]; // what is left out is as in the row before
    return Object.fromEntries(columns.map((column, place) => [column, whole[place]]));
  })];
}));
const CURRENCIES = new Set(TABLES.accounts.map((account) => account.currency).filter(Boolean));

const sum = (rows, column) => Math.round(100 * rows.reduce((total, row) => total + row[column], 0)) / 100;
const ratio = (part, whole) => (whole ? part / whole : null);
const days = (seconds) => (seconds === null || seconds === undefined ? null : seconds / 86400);
const falling = (...columns) => (one, other) => {
  const column = columns.find((name) => one[name] !== other[name]);
  return column ? other[column] - one[column] : 0;
};

// The rows that agree in the columns, group by group, in the order in which they come.
function grouped(rows, ...columns) {
  const groups = new Map();
  for (const row of rows) {
    const key = JSON.stringify(columns.map((column) => row[column]));
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(row);
  }
  return [...groups.values()];
}

function shifted(month, by) {
  const count = 12 * Number(month.slice(0, 4)) + Number(month.slice(5, 7)) - 1 + by;
  return `${String(Math.floor(count / 12)).padStart(4, "0")}-${String((count % 12) + 1).padStart(2, "0")}`;
}

// Accounts of several currencies cannot be summed up, so one of them is chosen then.
const SCOPES = [
  ...(CURRENCIES.size < 2 ? [{ id: "", project: null, pipeline: null }] : []),
  ...TABLES.accounts.flatMap(({ project_id: project }) => [
    ...(TABLES.accounts.length > 1 ? [{ id: project, project, pipeline: null }] : []),
    ...TABLES.pipelines.filter((row) => row.project_id === project).map((row) => (
      { id: `${project}/${row.pipeline_id}`, project, pipeline: row.pipeline_id, name: row.pipeline_name })),
  ]),
];

// One choice. `rows` are those of the scope and, where the table has months, of the period.
function chosen(scope, period) {
  const inScope = (row) => (
    (scope.project === null || row.project_id === scope.project)
    && (scope.pipeline === null || !("pipeline_id" in row) || row.pipeline_id === scope.pipeline));
  const between = (first, last) => (name) => TABLES[name].filter((row) => (
    inScope(row) && (!("month" in row) || (row.month >= first && row.month <= last))));
  const of = between(period.first, period.last);
  return {
    scope,
    period,
    currency: (TABLES.accounts.find((row) => row.currency && (scope.project === null || row.project_id === scope.project)) || {}).currency,
    rows: of,
    months: () => {
      const months = [];
      const last = period.last < DATA.today.slice(0, 7) ? period.last : DATA.today.slice(0, 7);
      for (let month = period.first; month <= last; month = shifted(month, 1)) months.push(month);
      return months;
    },
    // the same number of months before; null where they are not known
    before: () => {
      const length = 12 * (period.last.slice(0, 4) - period.first.slice(0, 4)) + (period.last.slice(5) - period.first.slice(5)) + 1;
      const first = shifted(period.first, -length);
      return first < DATA.periods[0].first ? null : { length, rows: between(first, shifted(period.last, -length)) };
    },
    stageMedian: (row) => {
      const found = TABLES.stage_medians.find((one) => one.period === period.id
        && one.project_id === row.project_id && one.pipeline_id === row.pipeline_id && one.status_id === row.status_id) || { stays: 0 };
      return { days: days(found.seconds), stays: found.stays };
    },
    closingMedian: () => days((TABLES.closing_medians.find((one) => one.period === period.id
      && one.project_id === scope.project && one.pipeline_id === scope.pipeline) || {}).seconds),
  };
}
