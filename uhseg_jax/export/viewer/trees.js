// What a tree is here, and its cuts. Nodes are counted as in the page, which may show
// the upper part of a tree; `ids` are those of the whole tree, which people see.

const ROOT = 0;
const OUTSIDE = -1;

function readTree(data) {
  const count = data.parents.length;
  const children = data.parents.map(() => []);
  data.parents.forEach((parent, node) => parent >= 0 && children[parent].push(node));
  const leaves = children.map((own) => (own.length ? 0 : 1));
  for (let node = count - 1; node > ROOT; node--) leaves[data.parents[node]] += leaves[node];
  const [height, width] = data.shown;
  const labels = new Uint16Array(height * width);
  fillLabels(labels, data.runs ?? data.frames[0].runs);
  const splits = children.flatMap((own, node) => (own.length ? [node] : []));
  splits.sort((a, b) => data.ranks[children[a][0]] - data.ranks[children[b][0]]);
  const ids = data.ids ?? data.parents.map((_, node) => node);
  const nodeOf = new Map(ids.map((id, node) => [id, node]));
  return { ...data, children, leaves, labels, splits, height, width, ids, nodeOf };
}

// The labels of an image, or of a frame, from lengths of runs.
function fillLabels(labels, runs) {
  for (let i = 0, at = 0; i < runs.length; i += 2)
    labels.fill(runs[i], at, (at += runs[i + 1]));
}

// Which nodes of a tree lie in one of these, themselves among them.
function insideOf({ parents }, nodes) {
  const inside = new Uint8Array(parents.length);
  for (const node of nodes) inside[node] = 1;
  for (let node = 1; node < inside.length; node++) inside[node] |= inside[parents[node]];
  return inside;
}

const within = (nodes) => insideOf(tree, nodes);

// The regions inside `focus` when at most `number` are wanted: splits open in the order
// of the tree's ranks until one does not fit. For the root it is tree.cut(num_regions).
function cut(focus, number) {
  const inside = within([focus]);
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

// The leaves in a node, each after its elder siblings' descendants: kin lie side by side.
function leavesOf(node) {
  const found = [];
  const visit = (one) =>
    tree.children[one].length ? tree.children[one].forEach(visit) : found.push(one);
  visit(node);
  return found;
}

// The fewest nodes that hold the same pixels as these.
function fewest(nodes) {
  const kept = new Set(nodes);
  for (let node = tree.parents.length - 1; node >= 0; node--) {
    const own = tree.children[node];
    if (own.length && own.every((child) => kept.has(child))) kept.add(node);
  }
  const around = within(kept);
  return [...kept].filter((node) => node === ROOT || !around[tree.parents[node]]);
}

// The fewest nodes that hold a node but for another one, which lies in it.
function without(node, other) {
  if (node === other) return [];
  const inside = within([node]);
  const rest = [];
  for (let one = other; one !== node && inside[one]; one = tree.parents[one])
    rest.push(...tree.children[tree.parents[one]].filter((child) => child !== one));
  return rest;
}
