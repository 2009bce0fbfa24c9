// What is said of regions.

const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

function calledNode(node) {
  if (node === ROOT) return `Whole ${wholeThing()}`;
  const name = tree.names?.[node];
  return `Region ${tree.ids[node]}${name ? `, ${name}` : ""}`;
}

function calledItem(item) {
  if (item.name) return item.name;
  if (item.nodes.length === 1 && item.nodes[0] === tree.ids[ROOT]) return `Whole ${wholeThing()}`;
  if (item.nodes.length <= 3) return `Region ${item.nodes.join(" + ")}`;
  return `Region of ${item.nodes.length} parts`;
}

const called = (key) => (key < OUTSIDE ? calledItem(itemAt(key)) : calledNode(key));
const areaOf = (key) => (key < OUTSIDE ? area(itemAt(key)) : tree.areas[key]);

function percent(pixels) {
  const value = (100 * pixels) / tree.areas[ROOT];
  return `${value >= 10 ? value.toFixed(0) : value.toFixed(1)} %`;
}

function describe(key) {
  if (key < OUTSIDE && !isWhole(itemAt(key))) return "not shown in full by this page";
  const facts = key === ROOT ? [] : [`${percent(areaOf(key))} of the ${wholeThing()}`];
  const node = key < OUTSIDE ? onlyNode(itemAt(key)) : key;
  if (node === null) return facts.join();
  if (node !== ROOT)
    facts.push(`depth ${tree.depths[node]}`, `cost ${tree.costs[node].toFixed(2)}`);
  const parts = tree.children[node].length;
  return [...facts, parts ? counted(parts, "part") : "no parts"].join(" · ");
}

// The node that an item is, or null if it is several, or not in this page.
const onlyNode = (item) =>
  (item.nodes.length === 1 ? tree.nodeOf.get(item.nodes[0]) ?? null : null);

// A sentence on what is selected here and not in this page; empty if it all is.
function unseenHere() {
  const count = items().filter((one) => !isWhole(one)).length;
  const [are, they, stay] = count === 1 ? ["is", "it", "stays"] : ["are", "they", "stay"];
  return count
    ? `${counted(count, "region")} selected here ${are} not shown in full by this page, which ` +
      `has the upper part of the tree; ${they} ${stay} in the selection.`
    : "";
}

// Says of a region, or else of what is picked, or of the focus, what it is.
function about(key = null, remark = null) {
  const picked = pickedItems();
  if (key === null && picked.length > 1) {
    const covered = within(picked.flatMap(nodesOf));
    const pixels = leavesOf(ROOT).reduce((sum, leaf) => sum + covered[leaf] * tree.areas[leaf], 0);
    return tell(null, `${picked.length} regions selected`, `${percent(pixels)} of the ${wholeThing()}`);
  }
  key ??= picked.length ? picked[0].key : focus().node;
  tell(
    key === ROOT ? null : colorOf(key), called(key),
    remark ? `${percent(areaOf(key))} of the image · ${remark}` : describe(key));
}

function tell(color, name, facts) {
  const strong = document.createElement("strong");
  strong.textContent = name;
  $("about").replaceChildren(...(color ? [dot(color)] : []), strong, ` · ${facts}`);
}

function dot(color) {
  const mark = document.createElement("span");
  mark.className = "dot";
  mark.style.background = color;
  return mark;
}

// What went wrong or was done; empty: nothing any more.
function say(sentence) {
  $("message").textContent = sentence;
  $("message").hidden = !sentence;
}
