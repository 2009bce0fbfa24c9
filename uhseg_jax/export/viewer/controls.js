// What stands around the image: the way down, the number, the shares, the selection.

const $ = (id) => document.getElementById(id);
const MANY = 120; // regions, beyond which their shares stand without gaps

let shown = null; // node -> key of the region as which it is shown
let onShow = []; // the regions on show, {key, area}, kin side by side

function refresh() {
  const { node, number } = focus();
  seen = cut(node, number);
  shown = shownAs(seen);
  onShow = regionsInOrder();
  const slider = $("number");
  slider.max = tree.leaves[node];
  slider.value = number;
  slider.disabled = tree.leaves[node] === 1;
  slider.setAttribute("aria-valuetext", counted(onShow.length, "region"));
  $("shown").textContent = onShow.length;
  $("up").disabled = steps.length === 1;
  $("regions").setAttribute(
    "aria-label", `${tree.name}: ${calledNode(node)} in ${counted(onShow.length, "region")}`);
  showPath();
  showShares();
  showSelection();
  placeNames();
  about();
  draw();
}

function regionsInOrder() {
  const areas = new Map();
  for (const leaf of leavesOf(focus().node))
    areas.set(shown[leaf], (areas.get(shown[leaf]) ?? 0) + tree.areas[leaf]);
  return [...areas].map(([key, pixels]) => ({ key, area: pixels }));
}

function showPath() {
  $("path").replaceChildren(...steps.map((one, index) => {
    const item = document.createElement("li");
    const last = index === steps.length - 1;
    const inner = document.createElement(last ? "span" : "button");
    inner.textContent = calledNode(one.node);
    if (last) inner.setAttribute("aria-current", "location");
    else inner.addEventListener("click", () => up(steps.length - 1 - index));
    item.append(inner);
    return item;
  }));
}

// One stop for the tab key; arrows go from share to share.
function showShares() {
  const before = $("shares").querySelector(":focus")?.dataset.node;
  $("shares").classList.toggle("many", onShow.length > MANY);
  $("shares").replaceChildren(...onShow.map(({ key, area: pixels }, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.node = key;
    button.tabIndex = index ? -1 : 0;
    button.style.flexGrow = (1000 * pixels) / tree.areas[focus().node];
    button.style.background = colorOf(key);
    button.classList.toggle("hidden", Boolean(itemAt(key)?.hidden));
    button.setAttribute("aria-pressed", isPicked(key));
    button.setAttribute("aria-label", `${called(key)}: ${describe(key)}`);
    button.addEventListener("click", (event) => chooseOrEnter(key, event));
    button.addEventListener("pointerenter", () => hover(key));
    button.addEventListener("pointerleave", () => hover(null));
    button.addEventListener("focus", () => button.matches(":focus-visible") && hover(key));
    button.addEventListener("blur", () => hover(null));
    return button;
  }));
  if (before === undefined) return;
  const same = $("shares").querySelector(`[data-node="${before}"]`);
  (same ?? $("shares").firstChild).focus();
}

function focusShare(by) {
  const buttons = [...$("shares").children];
  const next = buttons[buttons.indexOf(document.activeElement) + by];
  if (!next) return;
  for (const button of buttons) button.tabIndex = button === next ? 0 : -1;
  next.focus();
}

const isPicked = (key) => {
  const item = itemAt(key);
  return item ? item.picked : pickedItems().some((one) => isNode(one, key));
};

// -- what is selected ----------------------------------------------------------

function showSelection() {
  const [own, picked] = [items(), pickedItems()];
  $("hint").hidden = own.length > 0;
  $("chosen").hidden = !own.length;
  showChips(own);
  $("hands").hidden = !picked.length;
  const node = picked.length === 1 ? onlyNode(picked[0]) : null;
  $("inside").disabled = node === null || !tree.children[node].length;
  $("merge").disabled = picked.length < 2;
  $("hide").textContent = picked.length && picked.every((one) => one.hidden) ? "Show" : "Hide";
  if (document.activeElement !== $("called")) $("called").value = commonName();
}

function commonName() {
  const [first, ...rest] = pickedItems();
  return first && rest.every((one) => one.name === first.name) ? first.name : "";
}

// Where the list was scrolled to and what had the focus stays so; what is picked is seen.
function showChips(own) {
  const list = $("chosen");
  const { scrollLeft } = list;
  const focused = [...list.children].findIndex((one) => one.contains(document.activeElement));
  list.replaceChildren(...own.map(chip));
  list.scrollLeft = scrollLeft;
  const picked = [...list.querySelectorAll(".picked")].pop();
  if (picked) reveal(picked, list);
  if (focused >= 0) list.children[Math.min(focused, own.length - 1)]?.firstChild.focus();
}

function chip(item) {
  const entry = document.createElement("li");
  const body = document.createElement("button");
  const away = document.createElement("button");
  const name = document.createElement("span");
  body.type = away.type = "button";
  name.textContent = calledItem(item);
  body.append(dot(colorOf(item.key)), name);
  body.setAttribute("aria-pressed", item.picked);
  if (item.hidden) body.setAttribute("aria-label", `${calledItem(item)}, hidden`);
  body.addEventListener("click", (event) => pick(item.key, event.shiftKey || several()));
  body.addEventListener("pointerenter", () => hover(item.key));
  body.addEventListener("pointerleave", () => hover(null));
  away.className = "away";
  away.textContent = "×";
  away.setAttribute("aria-label", `Remove ${calledItem(item)} from the selection`);
  away.addEventListener("click", () => remove([item]));
  entry.classList.toggle("hidden", item.hidden);
  entry.classList.toggle("picked", item.picked);
  entry.append(body, away);
  return entry;
}

// Names that were given, and those that the regions came with, to choose from.
function offerNames() {
  const given = [...selections.values()].flat().map((one) => one.name);
  const names = new Set([...given, ...(tree.names ?? [])].filter(Boolean));
  $("names").replaceChildren(...[...names].sort().map((name) => {
    const option = document.createElement("option");
    option.value = name;
    return option;
  }));
}

// An item of several nodes has no inside: its parts are no region's.
function goInside(key) {
  const item = itemAt(key);
  const node = item ? onlyNode(item) : key;
  if (node === null) about(key, "several regions as one; remove it to see its parts");
  else down(node);
}
