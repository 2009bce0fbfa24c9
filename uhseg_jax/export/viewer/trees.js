// What a tree is here, and its cuts.

const ROOT = 0;
const OUTSIDE = -1;

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
