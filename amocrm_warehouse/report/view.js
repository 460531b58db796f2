"use strict";

// What is seen: words and numbers in the language chosen, tables, pictures.

const TEXTS = embedded("texts");
const CHARTS = embedded("charts");
const find = (css) => document.querySelector(css);
const state = { language: navigator.language.startsWith("ru") ? 0 : 1, scope: SCOPES[0], period: null, drawn: [] };
const LANGUAGES = ["ru", "en"];
const language = () => LANGUAGES[state.language];
state.period = DATA.periods.find((one) => one.kind === "last12") || DATA.periods[0];

function said(key, values = {}) {
  const text = TEXTS[key][language() === "en" ? 0 : 1];
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? values[name] : whole));
}

// An element with its text, never with markup: what the account holds is shown as it is.
function made(tag, text, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== null && text !== undefined) element.textContent = text;
  element.append(...children.filter(Boolean));
  return element;
}

// Each kind of value in words.
function teller(view) {
  const number = (options) => new Intl.NumberFormat(language(), options);
  const money = (options) => {
    try {
      return number({ style: "currency", currency: view.currency, currencyDisplay: "narrowSymbol", maximumFractionDigits: 0, ...options });
    } catch {
      return number({ maximumFractionDigits: 0, ...options }); // no account, or a currency that the browser does not know
    }
  };
  const month = (text, options) => {
    const [year, of] = text.split("-").map(Number);
    return new Intl.DateTimeFormat(language(), { month: "long", year: "numeric", timeZone: "UTC", ...options }).format(Date.UTC(year, of - 1));
  };
  return {
    text: (value) => value,
    number: (value) => number({ maximumFractionDigits: 2 }).format(value),
    money: (value) => money().format(value),
    short: (value) => money({ notation: "compact", maximumFractionDigits: 1 }).format(value),
    percent: (value) => number({ style: "percent", maximumFractionDigits: value < 0.1 ? 1 : 0 }).format(value),
    days: (value) => number({ maximumFractionDigits: value < 10 ? 1 : 0 }).format(value),
    hours: (value) => number({ maximumFractionDigits: 1 }).format(value / 3600),
    month: (value) => month(value),
    brief: (value) => `${month(value, { month: "short", year: undefined }).replace(".", "")} ’${value.slice(2, 4)}`,
    weekday: (value) => new Intl.DateTimeFormat(language(), { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + value)),
    moment: (value, row) => new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: "short", timeZone: zone(row.zone) }).format(new Date(value)),
  };
}

function zone(name) {
  try {
    Intl.DateTimeFormat("en", { timeZone: name });
    return name;
  } catch {
    return "UTC";
  }
}

const told = ([key, values], tell) => said(key, Object.fromEntries(Object.entries(values).map(([name, [kind, value]]) => [name, tell[kind](value)])));

const ofKind = (kind) => (["text", "month", "weekday"].includes(kind) ? "" : kind === "moment" ? "figure moment" : "figure");

function table(block, tell, caption) {
  const heads = block.columns.map(([name, kind, key, whole, plain]) => (
    made("th", plain || said(whole || `column.${key || name}`), { scope: "col", className: ofKind(kind) })));
  const cell = (row, [name, kind]) => {
    const value = row[name];
    const empty = value === null || value === undefined;
    const missing = row.missing && kind === "text" && empty ? said(row.missing) : "–";
    const element = made("td", empty ? missing : tell[kind](value, row), { className: ofKind(kind) });
    if (!empty) element.dataset.value = value;
    return element;
  };
  const body = made("tbody", null, {}, ...block.rows.map((row) => made("tr", null, {}, ...block.columns.map((column) => cell(row, column)))));
  const totals = block.total && block.rows.length > 1 && Object.fromEntries(block.total.map((name) => [name, sum(block.rows, name)]));
  const foot = totals && made("tfoot", null, {}, made("tr", null, {}, made("th", said("total"), { scope: "row" }), ...block.columns.slice(1).map((column) => (
    column[0] in totals ? cell(totals, column) : made("td", "")))));
  const grid = made("table", null, { className: block.narrow ? "narrow" : "" }, made("caption", caption), made("thead", null, {}, made("tr", null, {}, ...heads)), body, foot);
  const box = made("div", null, { className: "scroll", tabIndex: 0 }, grid);
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  if (block.rows.length <= 14) return box;
  grid.classList.add("long");
  const all = made("button", said("show_all", { count: block.rows.length }), { type: "button", className: "all" });
  all.onclick = () => { grid.classList.remove("long"); all.remove(); };
  return made("div", null, {}, box, all);
}

// The chart's declaration with words, values and sizes put in.
function spec(block, tell, width) {
  const found = block.drawn || block.rows;
  const most = Math.max(...found.flatMap((row) => [row[block.longest], row[block.also]]).filter(Number.isFinite), 1);
  const labels = block.label ? found.map((row) => block.label(row, tell)) : [""];
  const room = 20 + 7 * Math.max(...labels.map((label) => label.length)); // pixels that the longest label takes
  const bars = width - (width < 480 ? 140 : 210);
  const unit = block.unit && unitOf(found, block.unit);
  const ages = (block.ages || []).map((age) => said(`stuck.age.${age}`));
  const filled = {
    domain: [0, (most * bars) / Math.max(bars - room, 1)], unit: unit && unit.title(tell), ages,
  };
  const put = (part, key) => {
    if (typeof part === "string" && part.startsWith("@@")) return filled[part.slice(2)];
    if (typeof part === "string" && part.startsWith("@")) return said(part.slice(1));
    if (key === "labelLimit") return width < 480 ? 130 : part;
    if (Array.isArray(part)) return part.map((one) => put(one));
    return part && typeof part === "object" ? Object.fromEntries(Object.entries(part).map(([name, one]) => [name, put(one, name)])) : part;
  };
  const values = found.map((row) => {
    const value = { ...row };
    for (const name of ["won_budget", "plan", "budget"]) if (Number.isFinite(row[name])) value[`${name}_text`] = tell.money(row[name]);
    if (row.days) value.days = tell.days(row.days);
    if (unit) for (const name of block.unit) if (Number.isFinite(row[name])) value[name] = row[name] / unit.size;
    if (block.label) value.label = block.label(row, tell);
    if ("key" in row) value.key = row.key === null ? (row.missing ? said(row.missing) : "–") : row.key;
    if ("month" in row) value.month = tell.brief(row.month);
    if ("weekday" in row) value.weekday = tell.weekday(row.weekday);
    if ("age_order" in row) value.age = said(`stuck.age.${row.age_order}`);
    return value;
  });
  const chart = put(CHARTS[block.chart]);
  if (chart.height.each) chart.height = chart.height.each * new Set(values.map((value) => value[chart.encoding.y.field])).size;
  return { ...chart, width: "container", data: { values }, config: CHARTS.config };
}

// Thousands or millions, so that the axis has short numbers.
function unitOf(rows, names) {
  const most = Math.max(...rows.flatMap((row) => names.map((name) => row[name] || 0)));
  const size = most >= 2e6 ? 1e6 : most >= 2e3 ? 1e3 : 1;
  return { size, title: (tell) => tell.short(size).replace(/^1[\s\u00a0]?|(?<=\D)1/, "").trim() };
}

// How the pictures write numbers: with the marks of the language.
function marks() {
  const parts = new Intl.NumberFormat(language()).formatToParts(12345.6);
  const mark = (type) => parts.find((part) => part.type === type).value;
  return { decimal: mark("decimal"), thousands: mark("group"), grouping: [3], currency: ["", ""] };
}

async function draw(block, tell, place, caption) {
  const chart = await vegaEmbed(place, spec(block, tell, place.clientWidth), {
    ast: true, actions: false, renderer: "svg", formatLocale: marks(), defaultStyle: false, logLevel: 1, tooltip: { disableDefaultStyle: true },
  });
  place.querySelector("svg").setAttribute("aria-label", caption);
  state.drawn.push(chart);
}

function nothing(section) {
  const of = TABLES.freshness.filter((row) => section.needs.includes(row.source_table)
    && (state.scope.project === null || row.project_id === state.scope.project));
  if (of.length && !of.some((row) => row.is_there)) return said("none.unread", { tables: [...new Set(of.map((row) => row.source_table))].join(", ") });
  return said(of.some((row) => row.row_count) ? "none.chosen" : "none.ever");
}

function notRead() {
  const named = (rows) => grouped(rows, "project_id").map((of) => (
    (TABLES.accounts.length > 1 ? `${of[0].project_id}: ` : "") + of.map((row) => row.source_table).join(", "))).join("; ");
  const of = TABLES.freshness.filter((row) => state.scope.project === null || row.project_id === state.scope.project);
  const absent = of.filter((row) => !row.is_there);
  const empty = of.filter((row) => row.is_there && !row.row_count);
  return [
    ...(DATA.unread.length ? [made("div", said("freshness.unread"), { className: "warning" }, made("ul", null, {}, ...DATA.unread.map((sentence) => made("li", sentence))))] : []),
    ...(absent.length ? [made("p", said("freshness.absent", { tables: named(absent) }), { className: "warning absent" })] : []),
    ...(empty.length ? [made("p", said("freshness.empty", { tables: named(empty) }), { className: "note empty" })] : []),
  ];
}

function card(section, view, tell, drawings) {
  const element = made("section", null, { id: section.id, className: section.wide ? "card wide" : "card" },
    made("h2", said(`${section.id}.title`)), made("p", said(`${section.id}.lead`), { className: "lead" }));
  if (section.id === "freshness") element.append(...notRead());
  const blocks = section.count(view);
  if (!blocks.length) element.append(made("p", nothing(section), { className: "none" }));
  if (section.id === "funnel" && blocks.length && !TABLES.stage_medians.length) element.append(made("p", said("funnel.no_history"), { className: "note" }));
  const several = blocks.length > 1;
  for (const block of blocks) {
    const name = block.pipeline && pipelineName(block.pipeline);
    const caption = [said(`${section.id}.title`), name].filter(Boolean).join(": ");
    const figure = made("figure", null, {}, several && made("h3", name));
    for (const one of block.insights || []) figure.append(made("p", told(one, tell), { className: "insight" }));
    if (block.ages) {
      figure.append(made("p", null, { className: "legend" }, ...block.ages.map((age) => made("span", said(`stuck.age.${age}`), { className: `age-${age}` }))));
    }
    if (block.chart && (block.drawn || block.rows).length) {
      const place = figure.appendChild(made("div", null, { className: `chart ${block.chart}` }));
      drawings.push(() => draw(block, tell, place, caption));
    }
    for (const note of block.notes || []) figure.append(made("p", said(note), { className: "note" }));
    figure.append(table(block, tell, caption));
    element.append(figure);
  }
  return element;
}

function pipelineName(row) {
  const known = TABLES.pipelines.find((one) => one.project_id === row.project_id && one.pipeline_id === row.pipeline_id);
  return (known && known.pipeline_name) || `#${row.pipeline_id}`;
}

function figures(view, tell) {
  const compared = view.before();
  const boxes = keyFigures(view).map(({ id, kind, value, before, note }) => {
    const shown = value === null || value === undefined ? "–" : (kind === "money" && value >= 1e6 ? tell.short : tell[kind])(value);
    const box = made("div", null, { className: "figure" }, made("p", said(`kpi.${id}`), { className: "label" }), made("p", shown, { className: "value", title: value === null ? "" : tell[kind](value || 0) }));
    box.dataset.id = id;
    if (value !== null && value !== undefined) box.dataset.value = value;
    if (before && value !== null) box.append(change(value, before, kind, tell));
    if (note) box.append(made("p", told(note, tell), { className: "beside" }));
    return box;
  });
  const against = compared && said(compared.length === 1 ? "compared.one" : "compared", { months: compared.length });
  const unfinished = state.period.last >= DATA.today.slice(0, 7) && said("compared.unfinished");
  const note = compared && made("p", [against, unfinished].filter(Boolean).join(" "), { className: "note compared" });
  return made("section", null, { id: "figures" }, ...boxes, note);
}

function change(value, before, kind, tell) {
  const points = kind === "percent";
  const by = points ? value - before : value / before - 1;
  const size = points ? said("points", { points: tell.number(Math.round(100 * Math.abs(by))) }) : tell.percent(Math.abs(by));
  return made("p", `${by < 0 ? "▼" : "▲"} ${size}`, { className: by < 0 ? "change down" : "change up" });
}

function periodName(period, tell) {
  if (period.kind === "all") return DATA.is_whole ? said("period.all") : said("period.clipped", { month: tell.month(period.first) });
  if (period.kind === "month") return tell.month(period.first);
  const [year, month] = period.first.split("-").map(Number);
  return said(`period.${period.kind}`, { year, quarter: Math.floor((month - 1) / 3) + 1 });
}

function choices(tell) {
  const option = (text, id, selected) => made("option", text, { value: id, selected });
  const account = (project) => { const row = TABLES.accounts.find((one) => one.project_id === project); return row.name || row.project_id; };
  find("#scope").replaceChildren(...SCOPES.map((scope) => option(
    scope.pipeline !== null ? (TABLES.accounts.length > 1 ? `${account(scope.project)}: ` : "") + (scope.name || `#${scope.pipeline}`)
      : scope.project === null ? said("scope.all") : said("scope.account", { name: account(scope.project) }),
    scope.id, scope.id === state.scope.id)));
  const groups = grouped(DATA.periods.map((one) => ({ ...one, group: ["month", "quarter", "year"].includes(one.kind) ? one.kind : "long" })), "group");
  find("#period").replaceChildren(...groups.map((of) => made("optgroup", null, { label: said(`period.group.${of[0].group}`) },
    ...of.map((period) => option(periodName(period, tell), period.id, period.id === state.period.id)))));
}

async function show() {
  const view = chosen(state.scope, state.period);
  const tell = teller(view);
  state.drawn.splice(0).forEach((chart) => chart.finalize());
  document.documentElement.lang = language();
  document.querySelectorAll("[data-text]").forEach((element) => { element.textContent = said(element.dataset.text); });
  document.querySelectorAll("[data-language]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.language === language()));
  const [one] = TABLES.accounts;
  find(".built").textContent = said("built", { time: tell.moment(DATA.built_at, { zone: one.time_zone }) });
  find(".theme").textContent = said(isDark() ? "theme.light" : "theme.dark");
  choices(tell);
  find(".chosen").textContent = [find("#scope").selectedOptions[0], find("#period").selectedOptions[0]].map((option) => option.textContent).join(" · ");
  const drawings = [];
  find("main").replaceChildren(figures(view, tell), ...SECTIONS.map((section) => card(section, view, tell, drawings)));
  delete document.documentElement.dataset.shown;
  await Promise.all(drawings.map((drawing) => drawing()));
  document.documentElement.dataset.shown = [language(), state.scope.id, state.period.id].join(" ");
}

const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

find("#scope").onchange = (event) => { state.scope = SCOPES.find((one) => one.id === event.target.value); show(); };
find("#period").onchange = (event) => { state.period = DATA.periods.find((one) => one.id === event.target.value); show(); };
find(".theme").onclick = (event) => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  event.target.textContent = said(isDark() ? "theme.light" : "theme.dark");
};
document.querySelectorAll("[data-language]").forEach((button) => {
  button.onclick = () => { state.language = LANGUAGES.indexOf(button.dataset.language); show(); };
});
show();
