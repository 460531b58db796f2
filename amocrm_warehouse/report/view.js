"use strict";

// Shows the sections: words and numbers in the chosen language, tables, charts.

const TEXTS = embedded("texts");
const CHARTS = embedded("charts");
const find = (css) => document.querySelector(css);
const state = { language: navigator.language.startsWith("ru") ? 0 : 1, scope: null, period: null, who: null, drawn: [], folds: new Set(), opened: null, tables: new Set(), sorts: new Map(), at: null, list: null, sides: ["", ""], where: new Map(), gone: [], shows: 0, width: null };
const lists = new Map(); // functions that return the deals behind a number, by its place in the page
const language = () => LANGUAGES[state.language];

// The choice stands in the address, so that it can be kept and sent.
function readAddress() {
  const params = new URLSearchParams(location.hash.slice(1));
  const asked = (name) => params.get(name) || "";
  state.scope = SCOPES.find((one) => one.id === params.get("scope")) || SCOPES[0];
  choosePeriod(params.get("period") || "");
  const { teams, people } = whos(state.scope);
  state.who = [...teams, ...people].find((one) => one.id === params.get("who")) || null;
  const listed = (name) => asked(name).split(",").filter(Boolean);
  [state.folds, state.tables] = [new Set(listed("folds")), new Set(listed("tables"))];
  state.opened = params.has("opened") ? new Set(listed("opened").filter((id) => id !== "none")) : null;
  state.sorts = new Map(listed("sort").map((one) => one.split(":")));
  state.sides = [...asked("sides").split(","), "", ""].slice(0, 2);
  [state.at, state.list] = [params.get("at"), params.get("list")];
  if (LANGUAGES.includes(params.get("language"))) state.language = LANGUAGES.indexOf(params.get("language"));
  const filters = new Map(filtersOf(state.scope).map((filter) => [filter.id, filter]));
  const fits = ([id, option]) => filters.has(id) && (option === null || filters.get(id).options.includes(option));
  const where = tried(() => [...new Map(JSON.parse(asked("where") || "[]"))], () => []);
  state.where = new Map(where.filter(fits));
  const numbered = (id) => (PEOPLE.has(id) ? `${PEOPLE.get(id).name} · ${accountName(PEOPLE.get(id).project_id)}` : `№ ${id.split("/").pop()}`);
  state.gone = [ // what the address names and this report does not have
    ...(state.scope.id === asked("scope") || !asked("scope") ? [] : [asked("scope_name") || numbered(asked("scope"))]),
    ...(state.who || !asked("who") ? [] : [(!PEOPLE.has(asked("who")) && asked("who_name")) || numbered(asked("who"))]),
    ...(!asked("period") || state.period.id === asked("period").split("..").sort().join("..") ? [] : [asked("period")]),
    ...state.sides.filter((id) => id && ![...teams, ...people].some((one) => one.id === id)).map(numbered),
    ...where.filter((pair) => !fits(pair)).map(([id, option]) => [filters.get(id), option === null ? id : option]),
  ];
}

// Chooses a period by its id, by the clock of the chosen account; else the last twelve months, or all time.
function choosePeriod(id) {
  state.period = [id, "last12", "all"].map((one) => periodOf(one, state.scope.project)).find(Boolean);
}

function writeAddress() {
  const choice = { scope: state.scope.id, scope_name: state.scope.name, period: state.period.id, who: state.who && state.who.id, who_name: state.who && state.who.name, language: language(), folds: [...state.folds].join(","), opened: state.opened && ([...state.opened].join(",") || "none"), tables: [...state.tables].join(","), sort: [...state.sorts].map((one) => one.join(":")).join(","), at: state.at, list: state.list, sides: state.sides.some(Boolean) ? state.sides.join(",") : "", where: state.where.size ? JSON.stringify([...state.where]) : "" };
  const address = `#${new URLSearchParams(Object.entries(choice).filter(([, value]) => value))}`;
  if (location.hash !== address) history.replaceState(null, "", address);
}

function said(key, values = {}) {
  const text = TEXTS[key][language() === "en" ? 0 : 1];
  if (!text.includes("{")) return text;
  const filled = { by: DATA.by, few: DATA.few, stale_days: TABLES.accounts[0].stale_days, dead_days: TABLES.accounts[0].dead_days, ...values };
  const stopped = (value, stop) => (String(value).endsWith(".") ? value : value + stop); // «2026 г.» ends a sentence without a second stop
  return text.replace(/\{(\w+)\}(\.?)/g, (whole, name, stop) => (name in filled ? stopped(filled[name], stop) : whole));
}

// Makes an element with a text, never with markup: texts of the account are shown as they are.
function made(tag, text, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  if (text !== null && text !== undefined) element.textContent = text;
  element.append(...children.filter(Boolean));
  return element;
}

const para = (text, className, ...children) => made("p", text, { className }, ...children);
const failure = ({ message }, key = "none.failed") => para(said(key, { reason: message }), "warning failed");

const FORMATS = new Map(); // making one takes longer than a hundred uses

// A formatter of Intl, by its name, the language and its options.
function format(name, options) {
  const key = name + language() + JSON.stringify(options);
  if (!FORMATS.has(key)) FORMATS.set(key, new Intl[name](language(), options));
  return FORMATS.get(key);
}

// Functions that write each kind of value in the chosen language.
function teller(view) {
  const number = (options) => format("NumberFormat", options);
  const currency = { style: "currency", currency: view.currency || "", currencyDisplay: "narrowSymbol", minimumFractionDigits: 0 };
  // without its name if there is no account, or if the browser does not know the currency
  const money = (options) => tried(() => number({ ...currency, maximumFractionDigits: 0, ...options }), () => number({ maximumFractionDigits: 0, ...options }));
  const percent = (value, options) => number({ style: "percent", maximumFractionDigits: Math.abs(value) < 0.1 ? 1 : 0, ...options }).format(value > 0.99 && value < 1 ? 0.99 : value).replace("-", "−");
  const month = (text, options) => {
    const [year, of] = text.split("-").map(Number);
    return format("DateTimeFormat", { month: "long", year: "numeric", timeZone: "UTC", ...options }).format(Date.UTC(year, of - 1));
  };
  const date = (text, options) => format("DateTimeFormat", { timeZone: "UTC", ...options }).format(dayOf(text) * 864e5);
  return {
    text: (value) => value,
    deal: (value) => value,
    // the first of a client's phones, as a link that calls it
    phone: (phones) => made("a", phones.split(", ")[0], { href: `tel:${phones.split(", ")[0].replace(/[^+\d]/g, "")}` }),
    reasons: (value) => value.split(" ").map((reason) => said(`today.${reason}`)).join(", "),
    age: (value) => (value === 4 ? said("forecast.dead", { days: TABLES.accounts[0].dead_days }) : said(`stuck.age.${value}`)),
    day: (value) => date(value, { day: "numeric", month: "long", year: "numeric" }),
    date: (value) => date(value, { day: "numeric", month: "short" }),
    due: (value) => format("DateTimeFormat", { timeZone: "UTC", day: "numeric", month: "short", ...(value.includes("T23:59") ? {} : { hour: "2-digit", minute: "2-digit" }) }).format(new Date(value)),
    numeric: (value) => date(value, { day: "2-digit", month: "2-digit", year: "numeric" }),
    bucket: (value) => (value.length === 7 ? month(value) : date(value, { day: "numeric", month: "short", year: "numeric" })),
    since: (value) => date(`${value}-01`, { day: "numeric", month: "long", year: "numeric" }).replace(/^1 | 1(?=,)/, "").replace(",", ""),
    days: (value) => number({ maximumFractionDigits: 1 }).format(value),
    same([first, last]) { return format("DateTimeFormat", { day: "numeric", month: "long", timeZone: "UTC" }).formatRange(first * 864e5, last * 864e5); },
    span([first, last]) { return first === last ? this.bucket(textOf(first)) : said("period.days", { first: this.bucket(textOf(first)), last: this.bucket(textOf(last)) }); },
    number: (value) => number({ maximumFractionDigits: 2 }).format(value),
    money: (value) => money().format(value),
    short: (value) => money({ notation: "compact", maximumFractionDigits: 1 }).format(value),
    percent: (value) => percent(value),
    change: (value) => percent(value, { signDisplay: "exceptZero" }),
    name: (id) => said(`column.${id}`),
    minutes: (value) => duration(value, number),
    open_of: (value, row) => said("sources.open_of", { open: number().format(value), deals: number().format(row.paid_deals) }),
    working: (value) => duration(value, number, false),
    since_it_came: (value) => (value < 60 ? said("waited.minutes", { minutes: value }) : said("waited.hours", { hours: number().format(Math.floor(value / 60)) })),
    waited: (value, row) => said(`queue.days.${row.reason}`, { days: value < 1 ? said("queue.less") : number().format(value), usual: row.usual_days === null ? "–" : number().format(row.usual_days) }),
    hours: (value) => number({ maximumFractionDigits: 1 }).format(value / 3600),
    month: (value) => month(value),
    brief: (value) => (value.length === 7 ? `${month(value, { month: "short", year: undefined }).replace(".", "")} ’${value.slice(2, 4)}` : date(value, { day: "numeric", month: "numeric" })),
    weekday: (value) => format("DateTimeFormat", { weekday: "short", timeZone: "UTC" }).format(Date.UTC(2024, 0, 1 + value)),
    local([value, zone]) { return this.moment(value, { zone }); },
    moment: (value, row) => format("DateTimeFormat", { dateStyle: "medium", timeStyle: "short", timeZone: zone(row.zone) }).format(new Date(value)),
  };
}

// Minutes as people say them: 35 min, 2 h 5 min, 3 days. Working time has no days, as nobody works 24 hours.
function duration(minutes, number, inDays = true) {
  const of = (unit, value) => number({ style: "unit", unit, unitDisplay: "short", maximumFractionDigits: value < 10 ? 1 : 0 }).format(value).replace(/ (?=\D+$)/, "\u00a0");
  if (minutes < 60) return of("minute", minutes);
  if (minutes >= 1440) return inDays ? of("day", minutes / 1440) : of("hour", Math.round(minutes / 60));
  const [hours, rest] = [Math.floor(minutes / 60), Math.floor(minutes % 60)];
  return rest ? `${of("hour", hours)} ${of("minute", rest)}` : of("hour", hours);
}

// A time zone, or UTC if the browser does not know it.
const zone = (name) => tried(() => new Intl.DateTimeFormat("en", { timeZone: name }) && name, () => "UTC");

const sentence = ([key, values], tell) => said(key, Object.fromEntries(Object.entries(values).map(([name, [kind, value]]) => [name, value === null ? "–" : tell[kind](value)])));

const ofKind = (kind) => (["text", "deal", "age", "weekday"].includes(kind) ? "" : ["month", "bucket", "reasons"].includes(kind) ? kind : kind === "moment" ? "figure moment" : "figure");

const headOf = (block, name) => block.columns.filter((column) => column[0] === name).map(([, , key, whole, plain]) => plain || said(whole || `column.${key || name}`))[0];

// What the first column says of a row.
function rowName(row, { columns: [[name, kind]] }, tell) {
  return (row[name] ?? null) !== null ? tell[kind](row[name], row) : row.missing ? said(row.missing) : "–";
}

// A button that opens the deals behind a number. `what` says which. `place` finds it again from the address.
function opener(text, what, place, deals) {
  lists.set(place, { what, deals });
  const button = made("a", text, { href: "#", className: "opens" });
  button.setAttribute("role", "button");
  button.dataset.place = place;
  button.onclick = (event) => { event.preventDefault(); openList(place); };
  return button;
}

// Opens a list, which the address names then: the deals or cards behind a number, the highest budgets first.
function openList(place) {
  const { what, deals } = lists.get(place) || {};
  if (!deals) return;
  state.list = place;
  writeAddress();
  const tell = teller(chosen(state.scope, state.period, state.who));
  const found = [...deals()].sort((one, other) => (other.budget || 0) - (one.budget || 0));
  const areCards = found.some((row) => row.reasons);
  const [dialog, rows] = [find("#list"), found.slice(0, LISTED).map(listed)];
  const id = place.split("/").pop();
  const { median: middle, unit } = METRICS[id] || {}; // each deal of a median has its own value
  const [block] = blockOf("list", rows, { head: ["name", "deal", areCards ? "card" : "deal"] });
  if (middle) block.columns.splice(-3, 0, [middle, unit, id]);
  const csv = made("button", said("list.csv"), { type: "button" });
  const close = made("button", said("list.close"), { type: "button", className: "close" });
  const saved = (row, [name, kind]) => (kind === "reasons" && row[name] ? tell.reasons(row[name]) : row[name]);
  csv.onclick = () => save(`${what()}.csv`, [block.columns.map(([name]) => headOf(block, name)),
    ...found.map(listed).map((row) => block.columns.map((column) => saved(row, column)))]);
  close.onclick = () => dialog.close();
  const values = { count: tell.number(found.length), money: tell.money(sum(found, "budget")) };
  const more = found.length > LISTED && para(said("list.more", { shown: LISTED }), "note");
  const lead = para(said(areCards ? "list.cards" : "list.count", values), "lead");
  explain("");
  dialog.replaceChildren(...[close, made("h2", what()), lead, csv, table(block, tell, what(), "list"), more].filter(Boolean));
  if (!dialog.open) dialog.showModal();
}

// Saves a table as CSV that Excel opens; a text is never a formula there.
function save(name, lines) {
  const text = (value) => (typeof value === "number" ? String(value).replace(".", marks().decimal) : `"${String(value ?? "").replace(/^(?=[=+@\t\r-])/, "'").replaceAll('"', '""')}"`);
  const link = made("a", null, { download: name, href: URL.createObjectURL(new Blob(["\ufeff", lines.map((line) => line.map(text).join(";")).join("\r\n")], { type: "text/csv" })) });
  link.click();
  URL.revokeObjectURL(link.href);
}

const isPhone = () => matchMedia("(max-width: 40rem)").matches;
const meaning = find("#meaning");

// Shows a definition under what was touched, until the next touch; in an opened list over it.
function explain(text, element = document.body) {
  (element.closest("dialog") || document.body).append(meaning);
  meaning.hidden = !text;
  if (!text) return;
  Object.assign(meaning.style, { left: 0, top: 0 });
  meaning.textContent = text;
  const [origin, { left, bottom }] = [meaning.getBoundingClientRect(), element.getBoundingClientRect()];
  meaning.style.left = `${Math.max(8, Math.min(left, innerWidth - meaning.offsetWidth - 8)) - origin.left}px`;
  meaning.style.top = `${bottom + 4 - origin.top}px`;
}

const rule = (key) => (TEXTS[`means.${key}`] ? said(`means.${key}`) : ""); // the long rule of a name or sentence

// A name whose definition is shown when it is touched.
function defined(tag, text, means, className) {
  if (!means) return made(tag, text, { className });
  const button = made("button", text, { type: "button", title: means });
  button.onclick = (event) => { event.stopPropagation(); explain(means, button); };
  return made(tag, null, { className, title: means }, button);
}

const byColumn = (name, down) => (one, other) => {
  const [a, b] = [one[name], other[name]];
  if ((a ?? null) === null || (b ?? null) === null) return ((a ?? null) === null) - ((b ?? null) === null); // what is unknown comes last
  return (down ? -1 : 1) * (typeof a === "string" ? a.localeCompare(b) : a - b);
};

// Tells of each table whether it is wider than its place, so that a sentence says that it scrolls.
const widths = new ResizeObserver((entries) => {
  for (const { target } of entries) target.parentNode.classList.toggle("wider", target.scrollWidth > target.clientWidth);
});

// `place` of a table: its section and its number there. A touch of a head sorts it, and says what the head means. On a phone, where a
// table of cards has no heads, a touch of a cell says what its number means, and a list of the columns sorts.
function table(block, tell, caption, place) {
  const [, by, direction] = (state.sorts.get(place) || "").match(/^(.+)([+-])$/) || [];
  const rows = block.columns.some(([name]) => name === by) ? [...block.rows].sort(byColumn(by, direction === "-")) : block.rows;
  const sorted = (order) => {
    if (order) state.sorts.set(place, order); else state.sorts.delete(place);
    writeAddress();
    const again = table(block, tell, caption, place);
    wrapped.replaceWith(again);
    return again;
  };
  const heads = block.columns.map(([name, kind, key, whole, plain], at) => {
    const means = plain || whole ? "" : rule(key || name);
    const button = made("button", headOf(block, name), { type: "button" });
    button.onclick = (event) => {
      event.stopPropagation();
      const first = ofKind(kind).startsWith("figure") ? "-" : "+";
      const again = sorted(name + (by !== name ? first : direction === "-" ? "+" : "-"));
      explain(means, again.querySelector(`thead tr:last-child th:nth-child(${1 + at})`));
    };
    const head = made("th", null, { scope: "col", className: ofKind(kind), title: means }, button);
    if (by === name) head.setAttribute("aria-sort", direction === "-" ? "descending" : "ascending");
    return head;
  });
  // the groups of columns, over their heads: of which deals their numbers are
  const groups = (block.groups || []).flatMap(([key, count]) => [key && said(key), ...Array(count - 1).fill("")]);
  const over = block.groups && made("tr", null, { className: "groups" }, ...block.groups.map(([key, colSpan]) => (
    made(key ? "th" : "td", key && said(key), { colSpan, ...(key && { scope: "colgroup" }) }))));
  const cell = (row, [name, kind, , , , under = []], column, at) => {
    const value = row[name] ?? null;
    const absent = kind === "text" ? row.missing : row[`${name}_missing`];
    const text = value === null ? (absent ? said(absent) : "–") : tell[kind](value, row);
    const what = () => [caption, rowName(row, block, tell), headOf(block, name)].join(" · ");
    const opens = at !== undefined && !block.whole && Number.isFinite(value) && value !== 0 && dealsOf(row, name);
    const inside = kind === "deal" && row.href ? made("a", text, { href: row.href, target: "_blank", rel: "noopener noreferrer" })
      : opens ? opener(text, what, `${place}/${at}/${name}`, opens) : String(text);
    const shown = at === undefined ? [] : under.filter(([part]) => row[part]);
    const small = shown.map(([part, of]) => made("small", null, {}, tell[of](row[part])));
    const element = made("td", null, { className: ofKind(kind) }, inside, ...small);
    if (value !== null) element.dataset.value = kind === "text" ? BARE.get(value) || value : value;
    if (block.cards) element.dataset.head = heads[column].textContent; // on a phone, where each row is a card
    if (block.cards && heads[column].title) element.classList.add("defined");
    if (block.cards && groups[column]) element.dataset.group = groups[column];
    return element;
  };
  const line = (row) => block.columns.map((column, at) => cell(row, column, at, block.rows.indexOf(row)));
  const body = made("tbody", null, {}, ...rows.map((row) => made("tr", null, {}, ...line(row))));
  const hasValue = (name) => block.rows.some((row) => Number.isFinite(row[name]));
  const totals = block.total && block.rows.length > 1 && each(block.total, (name) => (hasValue(name) ? sum(block.rows, name) : null));
  const foot = totals && made("tfoot", null, {}, made("tr", null, {}, made("th", said("total"), { scope: "row" }),
    ...block.columns.map((column, at) => (column[0] in totals ? cell(totals, column, at) : made("td", ""))).slice(1)));
  const className = block.narrow ? "narrow" : block.cards ? "cards" : "";
  const head = made("thead", null, {}, over, made("tr", null, {}, ...heads));
  const grid = made("table", null, { className }, made("caption", caption), head, body, foot);
  if (block.cards) {
    grid.onclick = (event) => {
      const touched = event.target.closest("td");
      if (!touched || event.target.closest("a") || getComputedStyle(grid.tHead).display !== "none") return;
      event.stopPropagation();
      explain(heads[touched.cellIndex].title, touched);
    };
  }
  const orders = block.cards && rows.length > 2 && made("select", null, {}, made("option", said("sort.none"), { value: "" }), ...block.columns.flatMap(([name], at) => (
    [["-", "▾"], ["+", "▴"]].map(([sign, arrow]) => made("option", `${heads[at].textContent} ${arrow}`, { value: name + sign, selected: by === name && direction === sign })))));
  if (orders) orders.onchange = () => sorted(orders.value);
  const box = made("div", null, { className: "scroll", tabIndex: 0 }, grid);
  box.onscroll = () => box.classList.toggle("moved", box.scrollLeft > 0); // a shadow beside the first column, which stays
  box.setAttribute("role", "region");
  box.setAttribute("aria-label", caption);
  const wrapped = made("div", null, {}, orders && made("label", said("sort"), { className: "sort" }, orders), para(said("sideways"), "sideways"), box);
  widths.observe(box);
  if (block.rows.length <= (block.cards && isPhone() ? 6 : 14) || block.whole) return wrapped;
  grid.classList.add("long");
  const all = made("button", said("show_all", { count: block.rows.length }), { type: "button", className: "all" });
  all.onclick = () => { grid.classList.remove("long"); all.remove(); };
  wrapped.append(all);
  return wrapped;
}

// Charts use names as keys of objects, in which constructor and __proto__ would be taken: a space of no width keeps them apart.
const safe = (name) => `\u200b${name}`;

// Fills words, values and sizes into a chart's declaration.
function spec(block, tell, width) {
  const found = block.drawn || block.rows;
  const most = Math.max(...found.flatMap((row) => [row[block.longest], row[block.also]]).filter(Number.isFinite), 1);
  const label = (row) => block.label.filter(([name]) => row[name] !== null).map(([name, kind]) => tell[kind](row[name])).join(" · ");
  const labels = block.label ? found.map(label) : [""];
  const room = 16 + 6.5 * Math.max(...labels.map((label) => label.length)); // pixels that the longest label takes
  const bars = width - (width < 480 ? 140 : 210);
  const unit = block.unit && unitOf(found, block.unit);
  const [ages, heads] = [block.ages || [], new Map(block.heads)];
  const filled = {
    ticks: Math.min(5, Math.max(...grouped(found, "key").map((of) => sum(of, "deals")), 1)), // no fractions of a deal
    domain: [0, (most * bars) / Math.max(bars - room, 1)], unit: unit && unit.title(tell), hours: [...Array(24).keys()], levels: [0, LEVELS],
    title: safe(said(`column.${block.columns[0][2] || block.columns[0][0]}`)),
    ages: ages.map((age) => said(`stuck.age.${age}`)), age_colors: ages.map((age) => `var(--${age === 4 ? "line" : `age-${age}`})`),
  };
  const put = (part, key) => {
    if (typeof part === "string" && part.startsWith("@@")) return filled[part.slice(2)];
    if (typeof part === "string" && part.startsWith("@")) return safe(said(heads.get(part.slice(1)) || part.slice(1)));
    if (key === "labelLimit") return width < 480 ? 130 : part;
    if (Array.isArray(part)) return part.map((one) => put(one));
    return part && typeof part === "object" ? Object.fromEntries(Object.entries(part).map(([name, one]) => [name, put(one, name)])) : part;
  };
  const values = found.map((row) => {
    const { of, opens, ...value } = row; // charts copy what they are given
    for (const name of ["won_budget", "won_of_created_budget", "lost_budget", "plan", "expected", "low", "high", "bar"]) if (Number.isFinite(row[name])) value[`${name}_text`] = tell.money(row[name]);
    if (row.median_days) value.median_days = tell.days(row.median_days);
    if (unit) value.value_text = width / found.length > 36 && row.won_budget ? tell.number(Math.round((10 * row.won_budget) / unit.size) / 10) : "";
    if (unit) for (const name of block.unit) if (Number.isFinite(row[name])) value[name] = row[name] / unit.size;
    value.row_at = row.at ?? block.rows.indexOf(row); // what is drawn may be a part of a row: then it says of which, and of which column
    if (block.label) value.label = label(row);
    // beside the bar, or beside a mark that would stand in the label
    if (block.also) value.label_at = row[block.also] > row[block.longest] && row[block.also] - row[block.longest] < (filled.domain[1] * room) / bars ? row[block.also] : row[block.longest];
    if ("key" in row) value.key = safe(row.key === null ? (row.missing ? said(row.missing) : "–") : row.key);
    if ("month" in row) value.month = tell.brief(row.month);
    if ("weekday" in row) value.weekday = tell.weekday(row.weekday);
    if ("age_order" in row) value.age = said(`stuck.age.${row.age_order}`);
    return value;
  });
  const chart = put(CHARTS[block.chart]);
  if (chart.height.each) chart.height = chart.height.each * new Set(values.map((value) => value[chart.encoding.y.field])).size;
  return { ...chart, width, autosize: { type: "fit-x", contains: "padding" }, data: { values }, config: CHARTS.config };
}

// Thousands or millions, so that the axis has short numbers.
function unitOf(rows, names) {
  const most = Math.max(...rows.flatMap((row) => names.map((name) => row[name] || 0)));
  const size = most >= 2e6 ? 1e6 : most >= 2e3 ? 1e3 : 1;
  return { size, title: (tell) => tell.short(size).replace(/^1[\s\u00a0]?|(?<=\D)1/, "").trim() };
}

// How charts write numbers: with the marks of the language.
function marks() {
  const parts = new Intl.NumberFormat(language()).formatToParts(12345.6);
  const mark = (type) => parts.find((part) => part.type === type).value;
  return { decimal: mark("decimal"), thousands: mark("group"), grouping: [3], currency: ["", ""] };
}

// Runs Vega-Lite when the first chart needs it, so that the first numbers wait for nothing. The page's policy knows its hash.
let charting;
const vegaLite = () => {
  charting = charting || unpacked("vega").then((text) => document.head.append(made("script", text)));
  return charting;
};

// The width of a chart, alike in all sections. It is measured at one that has a layout: far and folded sections would get theirs for it.
function chartWidth() {
  const { paddingLeft, paddingRight } = getComputedStyle(find("#month"));
  return find("#month").clientWidth - parseFloat(paddingLeft) - parseFloat(paddingRight);
}

async function draw(block, tell, place, caption, at) {
  await vegaLite();
  state.width ||= chartWidth();
  const chart = await vegaEmbed(place, spec(block, tell, state.width), {
    ast: true, actions: false, renderer: "svg", formatLocale: marks(), defaultStyle: false, logLevel: 1, tooltip: { disableDefaultStyle: true },
  });
  place.querySelector("svg").setAttribute("aria-label", caption);
  chart.view.addEventListener("click", (event, item) => {
    const of = item && item.datum && `${at}/${item.datum.row_at}/${item.datum.column || block.opens}`;
    if (lists.has(of)) openList(of);
  });
  state.drawn.push(chart);
}

// The models that could not be built, each with the reason, once for the page.
// What makes all numbers of an account wrong.
const cautions = () => DATA.cautions.map(([key, values], place) => made("p", said(key, values), { id: `caution-${place}`, className: "warning caution" }));

function unbuilt() {
  const reasons = Object.entries(DATA.unbuilt).map(([name, reason]) => made("li", `${name}: ${reason}`));
  return reasons.length ? made("div", said("unbuilt"), { id: "unbuilt", className: "warning unbuilt" }, made("ul", null, {}, ...reasons)) : null;
}

// What the address has named and this report does not have, and what is shown instead.
function goneFromLink(picked) {
  const text = (one) => (Array.isArray(one) ? [one[0] && filterName(one[0]), one[1]].filter(Boolean).join(": ") : one);
  const names = state.gone.map((one) => said("quoted", { name: text(one) })).join(", ");
  return names ? made("p", said("link.gone", { names, shown: picked }), { id: "gone", className: "warning" }) : null;
}

function nothing(section) {
  const of = (TABLES.freshness || []).filter((row) => section.needs.includes(row.source_table)
    && (state.scope.project === null || row.project_id === state.scope.project));
  const absent = of.filter((row) => !row.is_there);
  const isUnread = section.needs_all ? absent.length > 0 : absent.length === of.length;
  if (of.length && isUnread) return said("none.unread", { tables: [...new Set(absent.map((row) => row.source_table))].join(", ") });
  return said((section.needs_all ? of.every((row) => row.row_count) : of.some((row) => row.row_count)) ? "none.chosen" : "none.ever");
}

// What was not read, and what the last verification of each account found.
const readNotes = (tell) => [
  ...(DATA.unread.length ? [made("div", said("freshness.unread"), { className: "warning" }, made("ul", null, {}, ...DATA.unread.map((one) => made("li", one))))] : []),
  ...DATA.notes.filter(({ project }) => state.scope.project === null || project === state.scope.project)
    .map(({ project, kind, key, values }) => para(ofAccount(project) + sentence([key, values], tell), kind)),
];

// A section with its name, which folds it, the days that it is of, one line about what is in it while it is folded, and no content yet.
function frame({ id }) {
  const element = made("section", null, { id, className: "card" }, made("div", null, { className: "head" }, made("h2", null, {}, made("button", null, { type: "button" })), para(null, "when")),
    para(null, "brief"), made("div", null, { className: "inside" }));
  element.querySelector("h2 button").onclick = () => {
    if (!state.folds.delete(id)) state.folds.add(id);
    fold(element);
    finish(id);
    writeAddress();
  };
  sight.observe(element);
  return element;
}

const isFolded = (id) => FOLDED.includes(id) !== state.folds.has(id);

function fold(element) {
  element.classList.toggle("folded", isFolded(element.id));
  element.querySelector("h2 button").setAttribute("aria-expanded", !isFolded(element.id));
}

// What a section says of a view; its charts wait in `drawings`.
function content(section, view, tell, drawings) {
  const lead = defined("p", said(`${section.id}.lead`), rule(`${section.id}.lead`), "lead");
  const inside = section.id === "freshness" ? [lead, ...readNotes(tell)] : [lead];
  if (view.isFiltered && !section.of_deals) return [...inside, para(said("filter.not_of_deals"), "none")];
  if (section.of.some((name) => !TABLES[name])) return [...inside, para(said("none.unbuilt"), "none")];
  const counted = () => {
    const [controls, blocks] = [section.id === "sides" ? [sideChoices(view)] : [], section.count(view)];
    const all = blocks.map((block, number) => shown(section, block, blocks.length > 1, tell, drawings, number));
    return [...controls, ...(all.length ? all : [para(nothing(section), "none")])];
  };
  return [...inside, ...tried(counted, (error) => [failure(error)])]; // the other sections are shown whatever happens in this one
}

// What is still to be drawn for the choice: sections, and charts of sections. One is drawn in a task of its own, those in view first and
// the others when the browser is idle. Until then a section has the numbers of the choice before, dimmed, and a touch of them draws it.
let jobs = [];
const inView = new Set(); // ids of the sections that have a part in the window
let hurry = () => {};
const sight = new IntersectionObserver((entries) => {
  for (const { target, isIntersecting } of entries) if (isIntersecting) inView.add(target.id); else inView.delete(target.id);
  if (nextInView() >= 0) hurry();
});

const nextInView = () => jobs.findIndex(({ id }) => inView.has(id) && !isFolded(id));

// Resolves in the next task if something in view is to be drawn or comes into view, else when the browser is idle: then to true.
const pause = () => new Promise((go) => {
  hurry = () => setTimeout(go, 0, false);
  if (nextInView() >= 0) hurry();
  else if (window.requestIdleCallback) requestIdleCallback(() => go(true), { timeout: 300 }); // after so many milliseconds a section is drawn although the browser is busy
  else setTimeout(go, 0, true);
});

// The job of a section: draws it, but for its charts, which become the next jobs.
const drawn = (section, element, view, tell) => ({ id: section.id, run: () => {
  const drawings = [];
  element.querySelector(".inside").replaceChildren(...content(section, view, tell, drawings));
  element.removeAttribute("aria-busy");
  jobs.unshift(...drawings.map((run) => ({ id: section.id, run })));
} });

// Draws at once what is not drawn yet: of one section, or everywhere.
function finish(id) {
  const isMeant = (job) => id === undefined || job.id === id;
  for (let at = jobs.findIndex(isMeant); at >= 0; at = jobs.findIndex(isMeant)) run(at);
  hurry();
}

function run(at) {
  const [job] = jobs.splice(at, 1);
  const keep = held();
  state.drawing = Promise.all([state.drawing, Promise.resolve(job.run()).then(keep)]);
  keep();
}

// Returns a function that brings the section at the top of the window back to its place there, unless the page was scrolled meanwhile.
function held() {
  const under = 64 + (parseFloat(document.documentElement.style.getPropertyValue("--filters")) || 0); // below filters and contents
  const section = scrollY ? [...find("main").children].find((element) => element.id && element.getBoundingClientRect().bottom > under) : null;
  if (!section) return () => {};
  const [{ top }, scrolled] = [section.getBoundingClientRect(), scrollY];
  return () => {
    const now = document.getElementById(section.id); // another element if it was replaced
    if (now && scrollY === scrolled) scrollBy(0, now.getBoundingClientRect().top - top);
  };
}

// The choice of the two people or teams that stand side by side.
function sideChoices(view) {
  const { teams, people } = whos(view.scope);
  const pair = pairOf(view, state.sides);
  const selects = pair.map((one, at) => {
    const option = (who) => made("option", who.name, { value: who.id, selected: one && who.id === one.id });
    const group = (key, of) => of.length && made("optgroup", null, { label: said(key) }, ...of.map(option));
    const select = made("select", null, {}, ...[!one && made("option", "–", { value: "", selected: true }), group("who.teams", teams), group("who.people", people)].filter(Boolean));
    select.setAttribute("aria-label", said("filter.who"));
    select.onchange = () => { state.sides = pair.map((who, place) => (place === at ? select.value : who ? who.id : "")); show(); };
    return select;
  });
  return para(null, "sides", ...selects);
}

// A part with a line that opens it. The address has the open ones as soon as somebody opens or closes one.
function foldable({ fold: id, open }, summary) {
  const details = made("details", null, { open }, made("summary", summary));
  details.dataset.fold = id;
  details.firstChild.onclick = () => { // before it opens or closes
    state.opened = new Set([...details.parentNode.querySelectorAll("details[open]")].map((one) => one.dataset.fold));
    if (!state.opened.delete(id)) state.opened.add(id);
    writeAddress();
  };
  return details;
}

function shown(section, block, several, tell, drawings, number) {
  const at = `${section.id}/${number}`;
  const name = block.pipeline ? pipelineName(block.pipeline) : [block.title && said(block.title), TABLES.accounts.length > 1 && block.project && accountName(block.project)].filter(Boolean).join(": ");
  const summary = block.summary && sentence(block.summary, tell);
  const caption = [said(`${section.id}.title`), summary || name].filter(Boolean).join(": ");
  const figure = block.summary ? foldable(block, summary) : made("figure", null, {}, several && name && made("h3", name));
  for (const one of block.insights || []) figure.append(insight(one, tell, at));
  const ages = (block.ages || []).map((age) => made("span", said(`stuck.age.${age}`), { className: `age-${age}` }));
  if (ages.length) figure.append(para(null, "legend", ...ages));
  if (block.most) {
    const shades = [...Array(LEVELS).keys()].map((level) => made("span", null, { className: "level", style: `--level: ${(level + 1) / LEVELS}` }));
    figure.append(para(null, "legend levels", said("heat.least"), ...shades, said("heat.most", { count: tell.number(block.most) })));
  }
  const isDrawn = block.chart && (block.drawn || block.rows).length > 0;
  if (isDrawn) {
    const place = figure.appendChild(made("div", null, { className: `chart ${block.chart}${block.opens ? " touchable" : ""}` }));
    drawings.push(() => draw(block, tell, place, caption, at).catch((error) => place.replaceWith(failure(error))));
  }
  for (const note of block.notes || []) figure.append(para(typeof note === "string" ? said(note) : sentence(note, tell), "note"));
  if (block.columns.length) figure.append(...(isDrawn ? asTable : (...all) => [table(...all)])(block, tell, caption, at));
  for (const note of block.after || []) figure.append(para(sentence(note, tell), "note"));
  return figure;
}

// A sentence; `opens`: by name, functions that return the rows behind its numbers.
function insight([key, values, opens], tell, place) {
  if (!opens) return defined("p", sentence([key, values], tell), rule(key), "insight");
  const marked = Object.fromEntries(Object.entries(values).map(([name, of]) => [name, opens[name] && of[1] ? ["text", `\0${name}\0`] : of]));
  const parts = sentence([key, marked], tell).split("\0").map((part, at) => (at % 2 ? opener(tell[values[part][0]](values[part][1]), () => said(`today.${part}`), `${place}/${part}`, opens[part]) : part));
  return para(null, "insight", ...parts);
}

// The table of a chart's rows, behind a button that shows it.
function asTable(block, tell, caption, at) {
  const box = made("div", null, {}, table(block, tell, caption, at));
  const button = made("button", said("as_table"), { type: "button", className: "as-table" });
  const put = () => { box.hidden = !state.tables.has(at); button.setAttribute("aria-expanded", !box.hidden); };
  button.onclick = () => { if (!state.tables.delete(at)) state.tables.add(at); put(); writeAddress(); };
  put();
  return [button, box];
}

const accountName = (project) => TABLES.accounts.find((one) => one.project_id === project).name;
// What stands before a sentence about one account, if there are several.
const ofAccount = (project) => (TABLES.accounts.length > 1 ? `${accountName(project)}: ` : "");

function pipelineName(row) {
  const known = SCOPES.find((one) => one.project === row.project_id && one.pipeline === row.pipeline_id);
  return (known && known.name) || `#${row.pipeline_id}`;
}

// A figure: its name, which says what it means, and its number, which opens its deals. `over`: what stands before the name over their list.
function figureBox(tell, [part, over], id, kind, value, deals, { label = said(`column.${id}`), means = id, className = "" }, ...more) {
  const isKnown = value !== null && value !== undefined;
  const text = isKnown ? tell[kind](value) : "–";
  const properties = { className: text.length > 12 ? "value long" : "value", title: isKnown ? tell[kind === "short" ? "money" : kind](value) : "" };
  const number = value && deals ? made("p", null, properties, opener(text, () => [over, label].filter(Boolean).join(" · "), `${part}/${id}`, deals)) : made("p", text, properties);
  const box = made("div", null, { className: `figure ${className}` }, defined("p", label, rule(means), "label"), number, ...more);
  box.dataset.id = id;
  if (isKnown) box.dataset.value = value;
  return box;
}

const beneath = (one, tell) => para(sentence(one, tell), "beside");

// How much of a month's plan is sold.
const planShare = ({ plan, of_plan: sold, plan_share: share, all }, box, tell) => (plan === null ? [] : [box("plan_share", "percent", share, { label: said("month.plan_share") },
  beneath([sold < all.won_budget ? "month.plan_of_some" : "month.plan", { plan: ["short", plan], sold: ["short", sold] }], tell))]);

function figures(view, tell) {
  if (!TABLES.deals) return made("section", null, { id: "figures" });
  const before = view.before();
  const boxes = keyFigures(view).map(({ id, kind, value, now, then, cases, note }) => (
    figureBox(tell, ["figures"], id, kind === "money" && value >= 1e6 ? "short" : kind, value, dealsOf({ of: view }, id), {},
      ...compared(id, value, now, then, cases, tell), note && beneath(note, tell))));
  const days = before && para(`▲▼ ${sentence(comparedDays(view, before), tell)}`, "note compared");
  return made("section", null, { id: "figures" }, made("h2", periodName(view.period, tell)), ...boxes, days);
}

// Functions that make the figures of a month: any number, and one beside that of the days with which the month is compared.
function monthBoxes(part, title, found, tell) {
  const box = (id, kind, value, options, ...more) => figureBox(tell, [part, title], id, kind, value, dealsOf({ of: found.view }, id), options, ...more);
  const { all, now = all, then } = found;
  const beside = (id, kind = METRICS[id].unit, options = {}, ...more) => (
    box(id, kind, all[id], options, ...compared(id, all[id], now[id], then[id], found.cases(id), tell), ...more));
  return [box, beside];
}

// The first screen. Its numbers are those of the period “this month”.
function month(tell) {
  const element = made("section", null, { id: "month", className: "card" });
  if (!TABLES.deals) return element;
  const found = thisMonth(ofThisMonth(state.scope, state.who));
  const title = said("month.title", { month: tell.month(found.month) });
  const [box, beside] = monthBoxes("month", title, found, tell);
  const small = (key, values) => beneath([key, values], tell);
  const { plan, needed, expected, low, high, before } = found;
  const then = before && small("month.then", { money: ["short", found.then.won_budget] });
  const lacking = plan !== null && box("needed", "short", needed, { label: said("month.needed") },
    small(needed ? "month.days" : "month.done", { days: ["number", found.left] }));
  const ahead = found.has_forecast && box("expected", "short", expected, {},
    expected === null ? small("month.few", {}) : small("month.interval", { low: ["short", low], high: ["short", high] }));
  element.append(
    made("h2", title),
    made("div", null, { className: "boxes money" }, beside("won_budget", "short", { className: "main" }, then), ...planShare(found, box, tell), lacking, ahead),
    ...(plan ? [bar(found)] : []),
    made("div", null, { className: "boxes" }, ...OF_MONTH.map((id) => beside(id))),
    ...found.insights.map((one) => defined("p", sentence(one, tell), rule(one[0]), "insight")),
    ...recent(found.view).map((one) => para(sentence(one, tell), "note recent")),
    ...found.missing.map((one) => para(sentence(one, tell), "note")),
    ...(before ? [para(`▲▼ ${said("month.compared", { days: tell.same(before) })}`, "note")] : []),
  );
  return element;
}

// In the first days of a month, the month that has ended.
function ended(tell) {
  const found = TABLES.deals ? endedMonth(ofThisMonth(state.scope, state.who)) : null;
  if (!found) return null;
  const title = said("ended.title", { month: tell.month(found.month) });
  const [box, beside] = monthBoxes("ended", title, found, tell);
  const figures = [beside("won_budget", "short"), ...planShare(found, box, tell), beside("won"), beside("lost"), beside("created")];
  return made("section", null, { id: "ended", className: "card wide" }, made("h2", title), made("div", null, { className: "boxes" }, ...figures),
    found.costs && para(sentence(found.costs, tell), "note"));
}

// How much of the plan is sold, and a mark where an even pace would be today.
function bar({ plan_share: share, passed }) {
  const style = `--sold: ${100 * Math.min(share, 1)}%; --even: ${100 * passed}%`;
  return made("div", null, { className: "bar", title: said("month.bar"), style },
    made("span", null, { className: share < passed ? "sold behind" : "sold" }), made("span", null, { className: "even" }));
}

// The change of a metric, or of how few deals it is; nothing if there is nothing to compare with.
function compared(id, value, now, then, [cases, before], tell) {
  const few = (key, count) => [para(said(key, { count: tell.number(count) }), "change")];
  if (isAverage(id) && typeof value === "number" && cases < DATA.few) return few("few.now", cases);
  if (!then || now === null) return [];
  return isComparable(id, cases, before) ? [change(now, then, METRICS[id].unit, tell, FEWER_IS_BETTER.includes(id))] : few("few.before", before);
}

function change(value, before, kind, tell, fewerIsBetter = kind === "days") {
  const points = kind === "percent";
  const by = points ? value - before : value / before - 1;
  const rounded = Math.round(1000 * Math.abs(by)); // rounded as it is shown, so that nothing is up or down by zero
  if (!rounded) return para(said("unchanged"), "change");
  const size = points ? said("points", { points: tell.number(rounded / 10) }) : by > 10 ? said("tenfold", { share: tell.percent(10) }) : tell.percent(Math.abs(by));
  const isWorse = (by < 0) !== fewerIsBetter;
  return para(`${by < 0 ? "▼" : "▲"} ${size}`, isWorse ? "change down" : "change up");
}

function periodName(period, tell) {
  if (period.kind === "all") return DATA.is_whole ? said("period.all") : said("period.clipped", { month: tell.since(DATA.since.slice(0, 7)) });
  if (period.kind === "month") return tell.month(monthOf(period.first));
  if (["week", "own"].includes(period.kind)) return tell.span([period.first, period.last]);
  const [year, month] = textOf(period.first).split("-").map(Number);
  const name = said(`period.${period.kind}`, { year, quarter: Math.floor((month - 1) / 3) + 1 });
  return period.since ? said("period.since", { period: name, day: tell.date(textOf(period.since)) }) : name;
}

function choices(tell) {
  const option = (text, id, selected) => made("option", text, { value: id, selected });
  const group = (key, options) => options.length && made("optgroup", null, { label: said(key) }, ...options);
  const among = (project) => (state.scope.project === null ? ofAccount(project) : "");
  find("#scope").replaceChildren(...SCOPES.map((scope) => option(
    scope.pipeline !== null ? ofAccount(scope.project) + (scope.name || `#${scope.pipeline}`)
      : scope.project === null ? said("scope.all") : said("scope.account", { name: accountName(scope.project) }),
    scope.id, scope.id === state.scope.id)));
  const all = periods(state.scope.project);
  const known = all.some((one) => one.id === state.period.id) ? all : [state.period, ...all];
  find("#period").replaceChildren(...grouped(known, "group").map((of) => group(`period.group.${of[0].group}`, of.map((period) => (
    option(periodName(period, tell), period.id, period.id === state.period.id))))));
  const { teams, people } = whos(state.scope);
  const who = (one) => option((one.name.includes(` · ${accountName(one.project)}`) ? "" : among(one.project)) + one.name, one.id, state.who !== null && one.id === state.who.id);
  find("#who").replaceChildren(option(said("who.all"), "", state.who === null), ...[group("who.teams", teams.map(who)), group("who.people", people.map(who))].filter(Boolean));
  find("#more").replaceChildren(...filtersOf(state.scope).filter((filter) => filter.options.length).map((filter) => filterChoice(filter, among, option)));
  const own = state.where.size + (state.period.kind === "own");
  find(".more summary").textContent = said("filter.more", { count: own ? `: ${own}` : "" });
  showDays();
}

// The days of the chosen period in the two date fields. A field that has its day already is left alone: to write it would end the typing.
function showDays(sentence = "") {
  const today = todayOf(state.scope.project);
  const put = (element, values) => Object.entries(values).filter(([name, value]) => element[name] !== value).forEach(([name, value]) => { element[name] = value; });
  for (const [id, day] of [["#from", state.period.first], ["#to", Math.min(state.period.last, today)]]) { put(find(id), { value: textOf(day), min: textOf(sinceOf(state.scope.project)), max: textOf(today) }); put(find(`${id} + .day`), { textContent: teller({}).numeric(textOf(day)) }); }
  find("#no-days").textContent = sentence;
}

const filterName = (filter) => filter.name || said(`filter.${filter.id}`);

// The choice of one filter: any option, a deal without one, or one of the options.
function filterChoice(filter, among, option) {
  const chosenOption = state.where.has(filter.id) ? state.where.get(filter.id) : undefined;
  const values = [undefined, null, ...filter.options];
  const text = (value) => (value === undefined ? said("filter.any") : value === null ? said("filter.empty") : value);
  const select = made("select", null, {}, ...values.map((value, place) => option(text(value), String(place), value === chosenOption)));
  select.dataset.filter = filter.id;
  select.onchange = () => {
    const value = values[Number(select.value)];
    if (value === undefined) state.where.delete(filter.id); else state.where.set(filter.id, value);
    show();
  };
  return made("label", null, {}, made("span", (filter.project ? among(filter.project) : "") + filterName(filter)), select);
}

// The moment of the data: the last successful sync if the database has it, else the build; and a sentence if that is days ago.
function asOf(tell) {
  const accounts = TABLES.accounts.filter((row) => state.scope.project === null || row.project_id === state.scope.project);
  const synced = accounts.map((row) => row.synced_at).filter(Boolean).sort()[0];
  const at = (moment) => tell.moment(moment, { zone: accounts[0].time_zone });
  const time = at(synced || DATA.built_at);
  const marts = DATA.marts && said("marts", { schema: DATA.marts, project: accounts[0].built_by, time: at(DATA.built_at) });
  const days = Math.floor((Math.max(Date.now(), Date.parse(DATA.built_at)) - Date.parse(synced || DATA.built_at)) / 864e5);
  return [[said(accounts.some((row) => row.is_never_synced) ? "failed" : synced ? "as_of" : "built", { time }), marts].filter(Boolean).join(". "), days >= 2 ? said("old", { days: tell.number(days) }) : ""];
}

// Links to the sections; at the side on a desk, on top on a phone. They are one stop of the Tab key: arrows lead from one to the next.
function contents(sections) {
  return ["month", "figures", ...sections.map(({ id }) => id)].map((id) => {
    const button = made("button", said(["month", "figures"].includes(id) ? `contents.${id}` : `${id}.title`), { type: "button" });
    button.dataset.at = id;
    button.onclick = () => { state.at = id; writeAddress(); goTo(id); };
    button.onkeydown = ({ key }) => {
      const next = { ArrowDown: button.nextSibling, ArrowRight: button.nextSibling, ArrowUp: button.previousSibling, ArrowLeft: button.previousSibling }[key];
      if (next) next.focus();
    };
    return button;
  });
}

// Marks in the contents the section that is at the top of the window.
function markPlace() {
  const under = innerHeight / 3;
  const at = [...find("main").children].filter((element) => find(`[data-at="${element.id}"]`) && element.getBoundingClientRect().top < under).pop();
  const marked = find(`[data-at="${at ? at.id : "month"}"]`);
  if (!marked || marked.hasAttribute("aria-current")) return;
  for (const button of marked.parentNode.children) { button.removeAttribute("aria-current"); button.tabIndex = -1; }
  marked.setAttribute("aria-current", "true");
  marked.tabIndex = 0;
  marked.parentNode.scrollTo({ left: marked.offsetLeft - 16, top: marked.offsetTop - marked.parentNode.offsetTop - 48 });
}

// Opens the section if it is folded, and brings it into view.
function goTo(id) {
  const section = find(`#${CSS.escape(id)}`);
  if (!section) return;
  if (section.classList.contains("folded")) section.querySelector("h2 button").click();
  finish(id);
  section.scrollIntoView();
}

// Puts elements into the page in this order, and no others; each replaces the one that had its id. None is moved that is where it belongs:
// the browser lays out anew what is moved, and forgets its focus.
function arrange(elements) {
  const main = find("main");
  const ids = new Set(elements.map(({ id }) => id));
  for (const element of [...main.children]) if (!ids.has(element.id)) element.remove();
  elements.forEach((element, at) => {
    const before = document.getElementById(element.id);
    if (before && before !== element) before.replaceWith(element);
    if (main.children[at] !== element) main.insertBefore(element, main.children[at] || null);
  });
}

async function show() {
  const keep = held();
  lists.clear();
  DAYS.clear();
  const view = chosen(state.scope, state.period, state.who);
  const tell = teller(view);
  state.drawn.splice(0).forEach((chart) => chart.finalize());
  writeAddress();
  delete document.documentElement.dataset.shown;
  state.width = null;
  state.shows += 1;
  const turn = state.shows;
  const sections = SECTIONS.filter((section) => (!DATA.only || section.of.every((name) => TABLES[name])) && !DATA.without.includes(section.id));
  const elements = sections.map((section) => document.getElementById(section.id) || frame(section));
  const when = { period: periodName(state.period, tell), month: tell.month(monthOf(view.today)), now: said("when.now") };
  sections.forEach((section, at) => {
    const texts = { "h2 button": said(`${section.id}.title`), ".when": when[section.when], ".brief": said(`${section.id}.brief`) };
    for (const [css, text] of Object.entries(texts)) elements[at].querySelector(css).textContent = text;
    elements[at].setAttribute("aria-busy", "true");
    fold(elements[at]);
  });
  jobs = sections.map((section, place) => drawn(section, elements[place], view, tell)).sort((one, other) => isFolded(one.id) - isFolded(other.id));
  document.documentElement.lang = language();
  document.querySelectorAll("[data-text]").forEach((element) => { element.textContent = said(element.dataset.text); });
  document.querySelectorAll("[data-language]").forEach((button) => button.setAttribute("aria-pressed", button.dataset.language === language()));
  const [time, old] = asOf(tell);
  find(".built").replaceChildren(made("span", time), ...(old ? [" ", made("strong", old, { className: "old" })] : []));
  find(".theme").textContent = said(isDark() ? "theme.light" : "theme.dark");
  choices(tell);
  const filters = [...state.where].map(([id, option]) => `${filterName(filtersOf(state.scope).find((one) => one.id === id))}: ${option === null ? said("filter.empty") : option}`);
  const picked = [...["#scope", "#who", "#period"].map((id) => find(id).selectedOptions[0].textContent), ...filters].join(" · ");
  document.querySelectorAll(".chosen").forEach((element) => { element.textContent = picked; });
  const parts = { ended: () => ended(tell), month: () => month(tell), figures: () => figures(view, tell) };
  const first = Object.entries(parts).map(([id, make]) => (
    tried(make, (error) => made("section", null, { id, className: "card wide" }, failure(error)))));
  arrange([...cautions(), goneFromLink(picked), unbuilt(), ...first, ...elements].filter(Boolean));
  find(".contents").replaceChildren(...contents(sections));
  for (const [css, key] of [[".contents", "contents"], [".filters form", "filters"]]) find(css).setAttribute("aria-label", said(key));
  markPlace();
  explain("");
  keep();
  if (state.list) {
    finish(state.list.split("/")[0]);
    openList(state.list);
  }
  while (jobs.length) {
    const isIdle = await pause();
    if (turn !== state.shows) return;
    const at = nextInView();
    if (at >= 0 || (isIdle && jobs.length)) run(Math.max(at, 0));
    await state.drawing;
  }
  await state.drawing;
  if (turn === state.shows) document.documentElement.dataset.shown = [language(), state.scope.id, state.period.id].join(" ");
}

const isDark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

// Chooses the days of the two date fields. While somebody is in a field, only a right pair is chosen and no field is changed;
// afterwards (`isDone`) a reversed pair is turned round, and fields without a right pair have the days of the period again.
function chooseDays(isDone = !find(".days").matches(":focus-within")) {
  const fields = [find("#from"), find("#to")];
  const days = fields.map((field) => field.value);
  const outside = (name) => fields.some((field) => field.validity[name] && (isDone || field.value >= "1000")); // a year of fewer digits is not typed to its end
  const day = (text) => teller({}).bucket(text);
  const sentence = outside("rangeUnderflow") ? said("days.before", { day: day(fields[0].min) }) : outside("rangeOverflow") ? said("days.after", { day: day(fields[0].max) }) : "";
  const isRight = fields.every((field) => field.value && field.validity.valid) && (isDone || days[0] <= days[1]);
  const isNew = days.join() !== [state.period.first, Math.min(state.period.last, todayOf(state.scope.project))].map(textOf).join();
  if (isRight && isNew) {
    state.period = periodOf(days.join(".."), state.scope.project);
    show();
  } else if (isDone && (isNew || sentence)) showDays(sentence);
  else if (!isDone) find("#no-days").textContent = sentence;
}

find("#scope").onchange = (event) => {
  state.scope = SCOPES.find((one) => one.id === event.target.value);
  if (state.who && state.scope.project !== null && state.who.project !== state.scope.project) state.who = null;
  const known = new Set(filtersOf(state.scope).map((filter) => filter.id));
  for (const id of [...state.where.keys()]) if (!known.has(id)) state.where.delete(id);
  choosePeriod(state.period.id);
  show();
};
find("#period").onchange = (event) => { choosePeriod(event.target.value); show(); };
find("#who").onchange = (event) => {
  const { teams, people } = whos(state.scope);
  state.who = [...teams, ...people].find((one) => one.id === event.target.value) || null;
  show();
};
find(".filters").addEventListener("change", () => { state.gone = []; }, true);
for (const id of ["#from", "#to"]) {
  find(id).onchange = () => chooseDays();
  find(id).onkeydown = (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    chooseDays(true);
  };
}
find(".days").addEventListener("focusout", (event) => { if (!find(".days").contains(event.relatedTarget)) chooseDays(true); });
find(".theme").onclick = (event) => {
  document.documentElement.dataset.theme = isDark() ? "light" : "dark";
  event.target.textContent = said(isDark() ? "theme.light" : "theme.dark");
};
document.querySelectorAll("[data-language]").forEach((button) => {
  button.onclick = () => { state.language = LANGUAGES.indexOf(button.dataset.language); show(); };
});
window.onhashchange = () => { readAddress(); show(); };
document.documentElement.classList.add("scripted");
find(".filters").open = !isPhone(); // on a phone the choice is one line until it is touched
// What covers the top of the window: measured with the layout, because each choice would wait for a layout of its own.
new ResizeObserver(([{ target: bar }]) => {
  document.documentElement.style.setProperty("--filters", getComputedStyle(bar).position === "sticky" ? `${bar.offsetHeight}px` : "0px");
}).observe(find(".filters"));
find("#list").onclose = () => { state.list = null; writeAddress(); };
document.onclick = () => explain("");
document.onkeydown = (event) => {
  if (event.key === "Escape") explain("");
  if (event.code === "KeyF" && (event.ctrlKey || event.metaKey)) finish(); // the browser searches what is drawn
};
// Paper has the queue of every manager, and the charts of what is open.
window.onbeforeprint = () => { finish(); for (const one of document.querySelectorAll("#queue details")) { one.dataset.was = one.open; one.open = true; } };
window.onafterprint = () => { for (const one of document.querySelectorAll("#queue details")) one.open = one.dataset.was === "true"; };
document.onscroll = () => { if (!state.marking) state.marking = requestAnimationFrame(() => { state.marking = 0; markPlace(); }); };
find(".skip").onclick = (event) => { event.preventDefault(); find("main").focus(); };
window.onresize = () => {
  state.width = null;
  for (const { view } of state.drawn) view.width(state.width ||= chartWidth()).runAsync();
};
find("main").addEventListener("click", (event) => {
  const old = event.target.closest("[aria-busy] > .inside");
  if (!old) return;
  event.preventDefault();
  event.stopPropagation();
  finish(old.parentNode.id);
}, true);
load().then(() => {
  readAddress();
  const shown = show();
  if (state.at) requestAnimationFrame(() => setTimeout(() => goTo(state.at))); // when it is known how much of the window the filters cover
  return shown;
}).catch((error) => {
  find("main").replaceChildren(failure(error, "none.browser"));
});
