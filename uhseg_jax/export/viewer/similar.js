// Regions of all images that look like what is picked. Every image has a few numbers for
// each of its larger regions; products of those are cosines, nearly.

const MOST_ALIKE = 24; // regions that are listed
const MARGIN = 0.05; // how much less similar a larger region may be; as similar_regions

const inPage = jsonIn("similar-regions"); // of a page that holds its images itself
const canCompare = inPage !== null || Boolean(listing?.digests.similar);

let search = 0; // which one is going on

function offerSimilar() {
  for (const one of document.querySelectorAll("#similar, .similar")) one.hidden = !canCompare;
}

function closeSimilar() {
  search += 1;
  $("alike").hidden = true;
}

async function findSimilar() {
  const own = (search += 1);
  const item = mergedItem(pickedItems());
  const [home, name] = [current, `${calledItem(item)} of ${tree.name}`];
  const tell = (text) => ($("alike-of").textContent = text);
  $("alike").hidden = false;
  $("alike-list").replaceChildren();
  tell(`Regions similar to ${name}: searching…`);
  layOut();
  try {
    const regions = await described(home);
    const rows = item.nodes.map((id) => regions.rowOf.get(id)).filter((row) => row !== undefined);
    if (!rows.length) {
      tell(`${name} is too small to be compared, or the whole image.`);
      return;
    }
    const query = mean(regions, rows);
    let found = [];
    for (let index = 0; index < images.length; index++) {
      const others = await described(index);
      if (own !== search) return;
      const without = index === home ? rows : [];
      for (const one of alikeIn(others, query, without)) found.push({ ...one, index });
      if ((index + 1) % 250 && index + 1 < images.length) continue;
      found = found.sort((a, b) => b.cosine - a.cosine).slice(0, MOST_ALIKE);
      listSimilar(found);
      const progress = index + 1 < images.length ? `, ${index + 1} of ${images.length} images searched` : "";
      tell(`Regions similar to ${name}${progress}`);
    }
  } catch (error) {
    if (own === search) tell(`Regions similar to ${name} cannot be found: ${error.message}`);
  }
}

const mergedItem = (picked) =>
  picked.length === 1 ? picked[0] : { name: "", nodes: picked.flatMap((one) => one.nodes) };

// -- descriptors -----------------------------------------------------------------

async function described(index) {
  const data = inPage ? inPage[index] : JSON.parse(await entry("similar", index));
  const values = Int8Array.from(atob(data.values), (one) => one.charCodeAt(0));
  const boxes = Uint8Array.from(atob(data.boxes), (one) => one.charCodeAt(0));
  const rowOf = new Map(data.nodes.map((id, row) => [id, row]));
  return { ...data, values, boxes, rowOf, length: values.length / data.nodes.length || 0 };
}

// The mean of some regions, as one: as long as they are on average, for what is lost of
// a descriptor counts as unlike.
function mean({ values, boxes, length, unit }, rows) {
  const sum = new Float64Array(length);
  let [weights, lengths] = [0, 0];
  for (const row of rows) {
    const [left, top, right, bottom] = boxes.subarray(4 * row, 4 * row + 4);
    const weight = Math.max(1, (right - left) * (bottom - top));
    const own = values.subarray(row * length, (row + 1) * length);
    own.forEach((value, i) => (sum[i] += weight * value * unit));
    lengths += weight * unit * Math.hypot(...own);
    weights += weight;
  }
  const scale = lengths / weights / (Math.hypot(...sum) || 1);
  return sum.map((value) => value * scale);
}

// As `uhseg_jax.similar_regions`: of nested regions only one, the largest that is as
// similar as the most similar one but for a margin. `without` are rows of regions that
// are left out with their kin.
function alikeIn({ nodes, above, values, boxes, length, unit }, query, without) {
  const cosines = Float64Array.from(nodes, (_, row) => {
    let sum = 0;
    for (let i = 0; i < length; i++) sum += query[i] * values[row * length + i];
    return sum * unit;
  });
  const free = new Uint8Array(nodes.length).fill(1);
  for (const row of without) takeKin(free, above, row);
  const order = [...nodes.keys()].sort((a, b) => cosines[b] - cosines[a]);
  const found = [];
  for (const best of order) {
    if (!free[best]) continue;
    let row = best;
    for (let up = above[best]; up >= 0 && free[up]; up = above[up])
      if (cosines[up] >= cosines[best] - MARGIN) row = up;
    found.push({ node: nodes[row], cosine: cosines[row], box: boxes.slice(4 * row, 4 * row + 4) });
    takeKin(free, above, row);
    if (found.length === MOST_ALIKE) break;
  }
  return found;
}

function takeKin(free, above, row) {
  const inside = new Uint8Array(free.length);
  inside[row] = 1;
  for (let one = row + 1; one < free.length; one++) inside[one] = above[one] >= 0 ? inside[above[one]] : 0;
  inside.forEach((is, one) => is && (free[one] = 0));
  for (let up = above[row]; up >= 0; up = above[up]) free[up] = 0;
}

// -- the list --------------------------------------------------------------------

function listSimilar(found) {
  $("alike-list").replaceChildren(...found.map(({ index, node, cosine, box }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    const crop = document.createElement("span");
    const image = document.createElement("img");
    const mark = document.createElement("i");
    button.type = "button";
    button.title = `Region ${node} of ${images[index].name}`;
    button.setAttribute("aria-label", `${button.title}, similarity ${cosine.toFixed(2)}`);
    crop.className = "crop";
    image.alt = "";
    thumbnail(index).then((url) => (image.src = url), () => {});
    const [left, top, right, bottom] = [...box].map((side) => (100 * side) / 255);
    Object.assign(mark.style, {
      left: `${left}%`, top: `${top}%`, width: `${right - left}%`, height: `${bottom - top}%`,
    });
    crop.append(image, mark);
    button.append(crop, cosine.toFixed(2));
    button.addEventListener("click", () => showRegion(index, node));
    item.append(button);
    return item;
  }));
}

function showRegion(index, node) {
  if (index !== current) show(index, { place: { region: node } });
  else {
    settleIn({ number: wish, region: node });
    record(true);
  }
}
