// What is selected in every image. An item is a region that was selected, or several as
// one: {nodes, name, picked, kept, hidden, key}, nodes being ids of the whole tree.
//
// Picked ones are those that the buttons act on; the next click picks others. What was
// named, merged or hidden is kept: it stays in the list, and one whole region in the
// image wherever the slider is.

const MOST_UNDO = 100;
const selections = new Map(); // index of an image -> its items
const past = []; // JSON of `selections` before every change

const items = () => selections.get(current) ?? [];
const pickedItems = () => items().filter((one) => one.picked);

// A page may show the upper part of trees only: an item that was loaded may have nodes
// that are not in it. It keeps them, and what is saved has them again.
const nodesOf = (item) =>
  item.nodes.map((id) => tree.nodeOf.get(id)).filter((node) => node !== undefined);
const unseenOf = (item) => item.nodes.filter((id) => !tree.nodeOf.has(id));
const isWhole = (item) => !unseenOf(item).length;

// Regions on show have keys: a node of the cut, or that of a kept item, below OUTSIDE.
// An item has its own as long as it is there, whatever becomes of others.
let lastKey = OUTSIDE;
const withKey = (item) => ({ ...item, key: --lastKey });
const itemAt = (key) =>
  (key < OUTSIDE ? items().find((one) => one.key === key) : undefined);

// node -> key as which it is shown: that of the cut, unless a kept item lies over it. One
// does not lie over its own parts when one has gone inside.
function shownAs(cutNodes) {
  const look = Int32Array.from(cutNodes);
  const kept = items().filter((item) => item.kept).map((item) => [area(item), item]);
  for (const [, item] of kept.sort((a, b) => b[0] - a[0])) {
    const inside = within(nodesOf(item));
    if (inside[focus().node]) continue;
    for (let node = 0; node < look.length; node++)
      if (inside[node] && look[node] !== OUTSIDE) look[node] = item.key;
  }
  return look;
}

const area = (item) => nodesOf(item).reduce((sum, node) => sum + tree.areas[node], 0);

// -- changes -------------------------------------------------------------------

function change(alter) {
  say("");
  past.push(JSON.stringify([...selections]));
  if (past.length > MOST_UNDO) past.shift();
  alter();
  afterChange();
}

function undo() {
  if (!past.length) return;
  const before = JSON.parse(past.pop());
  selections.clear();
  for (const [index, list] of before) selections.set(index, list);
  afterChange();
}

function afterChange() {
  for (const [index, list] of selections) {
    const rest = list.filter((one) => one.nodes.length && (one.picked || one.kept));
    if (rest.length) selections.set(index, rest);
    else selections.delete(index);
  }
  store();
  countInList();
  refresh();
  record(false);
}

function put(list) {
  selections.set(current, list);
}

const itemOfNode = (node) => withKey({
  nodes: [tree.ids[node]],
  name: tree.names?.[node] ?? "",
  picked: true,
  kept: false,
  hidden: false,
});

// Picks a region on show; with `more`, besides the others, or not any more.
function pick(key, more) {
  change(() => {
    if (!more) for (const one of items()) one.picked = false;
    const item = itemAt(key) ?? items().find((one) => isNode(one, key));
    if (item) item.picked = more ? !item.picked : true;
    else if (!(more && takeAway(key))) add(key);
  });
}

const isNode = (item, node) => item.nodes.length === 1 && item.nodes[0] === tree.ids[node];

// Adds a node in place of those picked that lie in it.
function add(node) {
  const inside = within([node]);
  const rest = items().filter(
    (one) => one.kept || !isWhole(one) || !nodesOf(one).every((own) => inside[own]));
  put([...rest, itemOfNode(node)]);
}

// Takes a node out of what is picked around it; whether there is such.
function takeAway(node) {
  const around = items().find((one) => one.picked && !one.kept && within(nodesOf(one))[node]);
  if (!around) return false;
  const rest = nodesOf(around)
    .flatMap((own) => (within([own])[node] ? without(own, node) : [own]));
  around.nodes = [...rest.map((own) => tree.ids[own]), ...unseenOf(around)];
  return true;
}

function pickAll(keys) {
  change(() => {
    for (const key of keys) {
      const item = itemAt(key) ?? items().find((one) => isNode(one, key));
      if (item) item.picked = true;
      else if (!items().some((one) => one.picked && within(nodesOf(one))[key])) add(key);
    }
  });
}

function pickNone() {
  change(() => items().forEach((one) => (one.picked = false)));
}

function pickFromAddress(node) {
  const picked = pickedItems();
  if (picked.length === 1 && isNode(picked[0], node)) return;
  for (const one of items()) one.picked = false;
  const item = items().find((one) => isNode(one, node));
  if (item) item.picked = true;
  else put([...items().filter((one) => one.kept), itemOfNode(node)]);
}

function merge() {
  const picked = pickedItems();
  if (picked.length < 2) return;
  const seen = fewest(picked.flatMap(nodesOf)).map((node) => tree.ids[node]);
  const nodes = [...seen, ...new Set(picked.flatMap(unseenOf))];
  const name = picked.map((one) => one.name).find(Boolean) ?? "";
  const whole = withKey({ nodes, name, picked: true, kept: true, hidden: false });
  const rest = items().map((one) => (one === picked[0] ? whole : one));
  change(() => put(rest.filter((one) => !picked.includes(one))));
}

function giveName(name) {
  if (pickedItems().every((one) => one.kept && one.name === name)) return;
  change(() => {
    for (const one of pickedItems()) {
      one.name = name;
      one.kept = name !== "" || one.nodes.length > 1;
    }
  });
}

function hide() {
  const picked = pickedItems();
  if (!picked.length) return;
  const hidden = !picked.every((one) => one.hidden);
  change(() => {
    for (const one of picked) Object.assign(one, { hidden, kept: true, picked: !hidden });
  });
}

function remove(unwanted) {
  if (unwanted.length) change(() => put(items().filter((one) => !unwanted.includes(one))));
}

// -- what stays when the page is loaded again ------------------------------------

const storeName = () =>
  `uhseg_jax ${location.pathname} ${images.length} ${images[0]?.tree}`;

// A browser may refuse to store anything; then a selection lasts as long as the page.
function store() {
  try {
    const list = [...selections].map(([index, own]) => [images[index].tree, index, own]);
    sessionStorage.setItem(storeName(), JSON.stringify(list));
  } catch {}
}

function restore() {
  try {
    for (const [id, index, own] of JSON.parse(sessionStorage.getItem(storeName())) ?? [])
      if (images[index]?.tree === id) selections.set(index, own.map(withKey));
  } catch {}
}
