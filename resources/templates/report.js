"use strict";
const all = (query, from = document) => [...from.querySelectorAll(query)];
const sections = all("main > section"), links = all("header a");
const list = document.getElementById("claims"), claims = all(".claim", list);
const search = document.getElementById("search"), choices = all(".tools select[data-of]");
const sources = JSON.parse(document.getElementById("sources").textContent);
document.documentElement.classList.add("js");

// One section at a time: the one that the address names, or that holds what it names.
function go() {
  const name = decodeURIComponent(location.hash.slice(1));
  let target = name && document.getElementById(name);
  if (!target) target = document.getElementById("overview");
  const section = target.closest("main > section");
  for (const each of sections) each.classList.toggle("open", each === section);
  for (const link of links) {
    const here = document.getElementById(link.hash.slice(1)).closest("main > section") === section
      || (link.hash === "#studies" && section.id.startsWith("study-"))
      || (link.hash === "#replies" && section.id.startsWith("replies-"));
    if (here) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
  }
  const claim = target.closest(".claim");
  for (const each of claims) each.classList.toggle("aimed", each === claim);
  if (claim) {
    if (claim.hidden) { search.value = ""; for (const choice of choices) choice.value = ""; filter(); }
    claim.querySelector("details").open = true;
  }
  if (target === section) scrollTo(0, 0); else target.scrollIntoView();
}

// A claim is shown if one of its measurements fits every filter.
function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = choices.filter(choice => choice.value).map(choice => [choice.dataset.of, choice.value]);
  let shown = 0;
  for (const claim of claims) {
    const text = claim.text ??= claim.querySelector("summary").textContent.toLowerCase() + " " + claim.querySelector(".more").textContent.toLowerCase();
    const fits = words.every(word => text.includes(word)) && all(".line", claim).some(line =>
      wanted.every(([key, value]) => (line.dataset[key] ?? claim.dataset[key]) === value));
    claim.hidden = !fits;
    shown += fits;
  }
  document.getElementById("count").textContent = `${shown} of ${claims.length} claims`;
}

const order = document.getElementById("order");
const rank = {contradicted: 0, inconclusive: 1, supported: 2, "not tested": 3};
const keys = {
  paper: claim => claims.indexOf(claim),
  verdict: claim => rank[claim.dataset.verdictOfAll],
  distance: claim => -Number(claim.dataset.distance),
  id: claim => claim.id,
};
function sort() {
  const key = keys[order.value];
  const text = new Intl.Collator("en", {numeric: true});
  const compare = (a, b) => typeof a === "string" ? text.compare(a, b) : a - b;
  const sorted = claims.map(claim => [key(claim), claim]).sort(([a], [b]) => compare(a, b));
  list.append(...sorted.map(([, claim]) => claim));
}

// Pictures and sources are in the page once; a claim shows them when it is opened.
document.addEventListener("toggle", event => {
  if (!event.target.open) return;
  for (const image of all("img[data-from]", event.target)) {
    const drawn = document.querySelector(`#${CSS.escape(image.dataset.from)} img`);
    if (drawn) image.src = drawn.src; else image.closest(".shown").remove();
    image.removeAttribute("data-from");
  }
  for (const place of all("pre[data-source]", event.target)) {
    place.textContent = sources[place.dataset.source] || "not among the files of the project";
  }
}, true);

search.addEventListener("input", filter);
for (const choice of choices) choice.addEventListener("input", filter);
order.addEventListener("input", sort);
document.getElementById("clear").addEventListener("click", () => {
  search.value = ""; for (const choice of choices) choice.value = "";
  filter();
});
addEventListener("hashchange", go);
filter();
go();
