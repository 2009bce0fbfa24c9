// A selection file that was saved before, read again.

async function loadSelection(file) {
  let read;
  try {
    read = readSelection(await file.text());
  } catch (error) {
    $("load-trouble").textContent = `${file.name}: ${error.message}`;
    say(`${file.name}: ${error.message}`);
    return;
  }
  change(() => {
    for (const [index, list] of read.found)
      selections.set(index, [...(selections.get(index) ?? []).filter((one) =>
        !list.some((other) => sameNodes(one, other))), ...list]);
  });
  $("save").close();
  const regions = counted(regionsIn(read.found), "region");
  say([
    `${file.name}: ${regions} of ${counted(read.found.length, "image")} loaded.`,
    read.others ? `${counted(read.others, "image")} in it are not on this page.` : "",
    unseenHere(),
  ].filter(Boolean).join(" "));
}

const sameNodes = (one, other) => `${one.nodes}` === `${other.nodes}`;

// What a file holds of this page's images: {found: [[index, items], ...], others: how many
// images of it are not here}. Raises an error that says why it holds nothing.
function readSelection(text) {
  let content;
  try {
    content = JSON.parse(text);
  } catch {
    throw new Error("expected a selection that was saved from such a page, but it is no JSON.");
  }
  if (content?.uhseg_jax !== "selection" || !Array.isArray(content.images))
    throw new Error("expected a selection that was saved from such a page, but it is something else.");
  if (content.version !== 1)
    throw new Error(`expected version 1 of selections, but it is ${JSON.stringify(content.version)}.`);
  const places = new Map(images.map((one, index) => [one.name, index]));
  const here = content.images.filter((one) => places.has(one?.name));
  if (!here.length)
    throw new Error(
      `it is of other images: expected some of this page, such as ${images[0].name}, ` +
      (content.images.length ? `but found ${content.images[0]?.name}.` : "but found none."));
  const found = here.map((one) => [places.get(one.name), itemsOf(one, places.get(one.name))]);
  return { found, others: content.images.length - here.length };
}

function itemsOf(one, index) {
  const { name, tree: id, nodes: count } = images[index];
  if (one.tree !== id)
    throw new Error(
      `${name} has other regions here: expected those of tree ${id}, but the selection ` +
      `is of ${one.tree}; load it in the page of its own run.`);
  const isNodes = (list) =>
    Array.isArray(list) && list.length > 0 &&
    list.every((node) => Number.isInteger(node) && node >= 0 && node < count);
  const good = (region) => isNodes(region?.nodes) && typeof (region.name ?? "") === "string";
  if (!Array.isArray(one.regions) || !one.regions.every(good))
    throw new Error(`expected regions with nodes from 0 to ${count - 1} for ${name}, but it has others.`);
  return one.regions.map((region) => withKey({
    nodes: region.nodes, name: region.name ?? "", picked: false, kept: true, hidden: false,
  }));
}
