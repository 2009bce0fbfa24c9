"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const scripts = [...document.querySelectorAll("script.image")];
const FIRST_REGIONS = 8;
const MOST_PIXELS = 3e6; // of the canvas: what a phone redraws while a slider moves
const ROOT = 0;
const OUTSIDE = -1;

let tree = null; // the image that is shown, see readTree
let current = -1; // its index
let steps = []; // the way down: {node, number}, the whole image first
let seen = null; // node -> the region it is seen as, or OUTSIDE the focused one
let hovered = null; // a region, or null
let drawing = 0;

// -- trees ---------------------------------------------------------------------

function readTree(data) {
  const children = data.parents.map(() => []);
  data.parents.forEach((parent, node) => parent >= 0 && children[parent].push(node));
  const leaves = children.map((own) => (own.length ? 0 : 1));
  for (let node = leaves.length - 1; node > ROOT; node--)
    leaves[data.parents[node]] += leaves[node];
  const [height, width] = data.shown;
  const labels = new Uint16Array(height * width);
  for (let i = 0, at = 0; i < data.runs.length; i += 2)
    labels.fill(data.runs[i], at, (at += data.runs[i + 1]));
  const splits = children.flatMap((own, node) => (own.length ? [node] : []));
  splits.sort((a, b) => data.ranks[children[a][0]] - data.ranks[children[b][0]]);
  return { ...data, children, leaves, labels, splits, height, width };
}

// The regions inside `focus` when at most `number` are wanted: splits open in the order
// of the tree's ranks until one does not fit. For the root it is tree.cut(num_regions).
function cut(focus, number) {
  const inside = new Uint8Array(tree.parents.length);
  inside[focus] = 1;
  for (let node = focus + 1; node < inside.length; node++)
    inside[node] = inside[tree.parents[node]];
  const open = new Uint8Array(inside.length);
  let regions = 1;
  for (const node of tree.splits) {
    if (!inside[node]) continue;
    regions += tree.children[node].length - 1;
    if (regions > number) break;
    open[node] = 1;
  }
  const as = new Int32Array(inside.length).fill(OUTSIDE);
  as[focus] = focus;
  for (let node = focus + 1; node < as.length; node++)
    if (inside[node]) as[node] = open[tree.parents[node]] ? node : as[tree.parents[node]];
  return as;
}

// Regions on show, each after its elder siblings' descendants: kin lie side by side.
function regionsInOrder() {
  const found = [];
  const visit = (node) => {
    if (seen[node] === node && tree.children[node].every((child) => seen[child] === node))
      found.push(node);
    else tree.children[node].forEach(visit);
  };
  visit(focus().node);
  return found;
}

const focus = () => steps[steps.length - 1];

// -- going about ---------------------------------------------------------------

function show(index) {
  if (index < 0 || index >= scripts.length || index === current) return;
  current = index;
  tree = readTree(JSON.parse(scripts[index].textContent));
  steps = [{ node: ROOT, number: Math.min(FIRST_REGIONS, tree.leaves[ROOT]) }];
  hovered = null;
  $("photo").src = tree.image;
  $("photo").alt = tree.name;
  $("name").textContent = tree.name;
  $("name").title = `${tree.name}, ${tree.size[1]} × ${tree.size[0]} pixels`;
  $("position").textContent = `${index + 1} of ${scripts.length}`;
  document.title = tree.name;
  for (const button of $("list").querySelectorAll("button")) {
    const here = Number(button.dataset.index) === index;
    button.toggleAttribute("aria-current", here);
    if (here) reveal(button);
  }
  layOut();
  refresh();
}

// Scrolls the list and not the page, on which the image shall stay where it is.
function reveal(button) {
  const list = $("list");
  const within = (scroll, start, size, room) =>
    Math.min(Math.max(scroll, start + size - room), start);
  list.scrollTop = within(
    list.scrollTop, button.offsetTop, button.offsetHeight, list.clientHeight);
  list.scrollLeft = within(
    list.scrollLeft, button.offsetLeft, button.offsetWidth, list.clientWidth);
}

function step(by) {
  const buttons = [...$("list").querySelectorAll("li:not([hidden]) button")];
  const indices = buttons.map((button) => Number(button.dataset.index));
  const at = indices.indexOf(current);
  const next = at < 0 ? (by > 0 ? 0 : indices.length - 1) : at + by;
  if (next >= 0 && next < indices.length) show(indices[next]);
}

function down(node) {
  const parts = tree.children[node].length;
  if (!parts) {
    about(node, "not divided further");
    return;
  }
  if (node === focus().node) focus().number = parts;
  else steps.push({ node, number: parts });
  hovered = null;
  refresh();
}

function up(count = 1) {
  if (steps.length === 1) return;
  steps.length = Math.max(1, steps.length - count);
  hovered = null;
  refresh();
}

function setNumber(number) {
  focus().number = Math.max(1, Math.min(tree.leaves[focus().node], number));
  hovered = null;
  refresh();
}

function hover(node) {
  if (node === hovered) return;
  hovered = node;
  for (const button of $("shares").querySelectorAll("button"))
    button.classList.toggle("hovered", Number(button.dataset.node) === hovered);
  about(hovered ?? focus().node);
  draw();
}

// -- words ---------------------------------------------------------------------

const called = (node) => (node === ROOT ? "Whole image" : `Region ${node}`);
const share = (node) => tree.areas[node] / tree.areas[ROOT];

function percent(node) {
  const value = 100 * share(node);
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

function describe(node) {
  const parts = tree.children[node].length;
  const facts = node === ROOT ? [] : [
    `${percent(node)} of the image`,
    `depth ${tree.depths[node]}`,
    `cost ${tree.costs[node].toFixed(2)}`,
  ];
  return [...facts, parts ? `${parts} parts` : "no parts"].join(" · ");
}

function about(node, remark) {
  const dot = document.createElement("span");
  dot.className = "dot";
  dot.style.background = tree.colors[node];
  const name = document.createElement("strong");
  name.textContent = called(node);
  const facts = remark ? `${percent(node)} of the image · ${remark}` : describe(node);
  $("about").replaceChildren(...(node === ROOT ? [] : [dot]), name, ` · ${facts}`);
}

// -- the page ------------------------------------------------------------------

function refresh() {
  const { node, number } = focus();
  seen = cut(node, number);
  const regions = regionsInOrder();
  const slider = $("number");
  slider.max = tree.leaves[node];
  slider.value = number;
  slider.disabled = tree.leaves[node] === 1;
  slider.setAttribute("aria-valuetext", `${regions.length} regions`);
  $("shown").textContent = regions.length;
  $("up").disabled = steps.length === 1;
  $("regions").setAttribute(
    "aria-label", `${tree.name}: ${called(node)} in ${regions.length} regions`);
  $("path").replaceChildren(...steps.map((one, index) => {
    const item = document.createElement("li");
    const last = index === steps.length - 1;
    const inner = document.createElement(last ? "span" : "button");
    inner.textContent = called(one.node);
    if (last) inner.setAttribute("aria-current", "location");
    else inner.addEventListener("click", () => up(steps.length - 1 - index));
    item.append(inner);
    return item;
  }));
  showShares(regions);
  about(node);
  draw();
}

function showShares(regions) {
  const byKeyboard = $("shares").querySelector(":focus-visible") !== null;
  $("shares").replaceChildren(...regions.map((node) => {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.node = node;
    button.style.flexGrow = (1000 * tree.areas[node]) / tree.areas[focus().node];
    button.style.background = tree.colors[node];
    button.setAttribute("aria-label", `${called(node)}: ${describe(node)}`);
    button.addEventListener("click", () => down(node));
    button.addEventListener("pointerenter", () => hover(node));
    button.addEventListener("pointerleave", () => hover(null));
    button.addEventListener("focus", () => hover(node));
    button.addEventListener("blur", () => hover(null));
    return button;
  }));
  if (byKeyboard) $("shares").querySelector("button").focus();
}

function fillList() {
  $("list").replaceChildren(...scripts.map((script, index) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const image = document.createElement("img");
    const name = document.createElement("span");
    button.type = "button";
    button.dataset.index = index;
    image.src = script.dataset.thumbnail;
    image.alt = "";
    name.textContent = button.title = script.dataset.name;
    button.append(image, name);
    button.addEventListener("click", () => show(index));
    item.append(button);
    return item;
  }));
}

function filter() {
  const wanted = $("filter").value.trim().toLowerCase();
  let found = 0;
  [...$("list").children].forEach((item, index) => {
    item.hidden = !scripts[index].dataset.name.toLowerCase().includes(wanted);
    found += !item.hidden;
  });
  $("no-match").hidden = found > 0;
}

// -- drawing -------------------------------------------------------------------

function layOut() {
  if (!tree) return;
  const stage = $("stage");
  const style = getComputedStyle(stage);
  const room = stage.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
  const narrow = matchMedia("(max-width: 760px)").matches;
  const tall = narrow ? 0.62 * innerHeight : stage.clientHeight;
  const scale = Math.min(room / tree.width, tall / tree.height);
  const [width, height] = [tree.width, tree.height].map((side) => Math.max(1, side * scale));
  const frame = $("frame");
  frame.style.width = `${width}px`;
  frame.style.height = `${height}px`;
  frame.classList.toggle("coarse", scale > 6);
  const dense = Math.min(devicePixelRatio || 1, Math.sqrt(MOST_PIXELS / (width * height)));
  $("regions").width = Math.max(1, Math.round(width * dense));
  $("regions").height = Math.max(1, Math.round(height * dense));
  draw();
}

function draw() {
  cancelAnimationFrame(drawing);
  drawing = requestAnimationFrame(paint);
}

function paint() {
  const canvas = $("regions");
  $("frame").classList.toggle("filled", $("fill").checked && $("opacity").value > 0);
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const regions = new Int32Array(width * height);
  const shades = shadesOfNodes();
  const columns = Int32Array.from({ length: width }, (_, x) =>
    Math.floor(((x + 0.5) * tree.width) / width));
  for (let y = 0, at = 0; y < height; y++) {
    const row = Math.floor(((y + 0.5) * tree.height) / height) * tree.width;
    for (let x = 0; x < width; x++, at++) {
      const leaf = tree.labels[row + columns[x]];
      regions[at] = seen[leaf];
      pixels[at] = shades[leaf];
    }
  }
  const dense = width / canvas.clientWidth || 1;
  if ($("lines").checked) drawLines(regions, pixels, width, height, Math.round(1.3 * dense), null);
  if (hovered !== null) drawLines(regions, pixels, width, height, Math.round(3 * dense), hovered);
  context.putImageData(image, 0, 0);
}

// Pixels are 32-bit words, alpha highest: every machine with a browser is little-endian.
function shadesOfNodes() {
  const opacity = $("fill").checked ? $("opacity").value / 100 : 0;
  return Uint32Array.from(seen, (node) => {
    if (node === OUTSIDE) return 0xa6141210;
    const strong = node === hovered;
    const alpha = strong ? Math.max(0.25, Math.min(1, opacity + 0.2)) : opacity;
    const [red, green, blue] = [1, 3, 5].map((i) => parseInt(tree.colors[node].slice(i, i + 2), 16));
    return ((Math.round(255 * alpha) << 24) | (blue << 16) | (green << 8) | red) >>> 0;
  });
}

// White where another region begins within `thickness` pixels to the right or below; of
// one region only if `only` is not null.
function drawLines(regions, pixels, width, height, thickness, only) {
  const reach = Math.max(1, thickness);
  for (let y = 0; y < height; y++) {
    const below = Math.min(reach, height - 1 - y) * width;
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      const right = Math.min(reach, width - 1 - x);
      const [a, b, c, d] = [regions[at], regions[at + right], regions[at + below], regions[at + below + right]];
      if (a === b && a === c && a === d) continue;
      if (only === null || a === only || b === only || c === only || d === only)
        pixels[at] = 0xffffffff;
    }
  }
}

// -- events --------------------------------------------------------------------

function regionUnder(event) {
  const box = $("regions").getBoundingClientRect();
  const x = Math.floor(((event.clientX - box.left) / box.width) * tree.width);
  const y = Math.floor(((event.clientY - box.top) / box.height) * tree.height);
  if (x < 0 || y < 0 || x >= tree.width || y >= tree.height) return null;
  return seen[tree.labels[y * tree.width + x]];
}

function follow(event) {
  const node = regionUnder(event);
  const canvas = $("regions");
  canvas.classList.toggle("out", node === OUTSIDE);
  canvas.classList.toggle("down", node !== null && node >= 0 && tree.children[node].length > 0);
  hover(node === OUTSIDE ? null : node);
}

function choose(event) {
  const node = regionUnder(event);
  if (node === OUTSIDE) up();
  else if (node !== null) down(node);
}

function press(event) {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.type === "search") return;
  const small = event.target === $("opacity");
  const act = {
    Escape: () => up(),
    ArrowRight: small ? null : () => setNumber(nextNumber(1)),
    ArrowLeft: small ? null : () => setNumber(nextNumber(-1)),
    ArrowDown: small ? null : () => step(1),
    ArrowUp: small ? null : () => step(-1),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

// The next number of regions that looks different: a split may add more than one.
function nextNumber(by) {
  const { node, number } = focus();
  const count = (value) => new Set(cut(node, value)).size;
  const before = count(number);
  let next = number + by;
  while (next > 1 && next < tree.leaves[node] && count(next) === before) next += by;
  return next;
}

function start() {
  $("nothing").hidden = scripts.length > 0;
  $("app").hidden = scripts.length === 0;
  if (!scripts.length) return;
  $("app").classList.toggle("single", scripts.length === 1);
  $("filter").hidden = scripts.length < 9;
  fillList();
  $("number").addEventListener("input", (event) => setNumber(Number(event.target.value)));
  $("up").addEventListener("click", () => up());
  $("filter").addEventListener("input", filter);
  $("lines").addEventListener("change", draw);
  $("opacity").addEventListener("input", draw);
  $("fill").addEventListener("change", () => {
    $("opacity").disabled = !$("fill").checked;
    draw();
  });
  $("regions").addEventListener("pointermove", follow);
  $("regions").addEventListener("pointerleave", () => hover(null));
  $("regions").addEventListener("click", choose);
  $("stage").addEventListener("click", (event) => event.target === $("stage") && up());
  document.addEventListener("keydown", press);
  new ResizeObserver(layOut).observe($("stage"));
  show(0);
}

// For tests and the curious: what is on show, in numbers.
window.viewer = {
  state: () => ({
    image: current,
    focus: focus().node,
    path: steps.map((one) => one.node),
    number: focus().number,
    most: tree.leaves[focus().node],
    regions: regionsInOrder(),
    hovered,
    size: [tree.height, tree.width],
  }),
  regionAt: (row, column) => seen[tree.labels[row * tree.width + column]],
  regionsAt: () => Array.from(tree.labels, (leaf) => seen[leaf]),
};

start();
})();
