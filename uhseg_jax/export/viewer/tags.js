// Names in the image: those that were given, and those that regions came with, where
// there is room for them.

const LETTER = 7.5; // CSS pixels, about
const AROUND = 18; // of a name, on both sides together

const nameOf = (key) => itemAt(key)?.name || (key < OUTSIDE ? "" : tree.names?.[key]) || "";

function placeNames() {
  const any = tree.names?.some(Boolean) || items().some((one) => one.name);
  $("labels").parentElement.hidden = !any;
  const named = $("labels").checked
    ? onShow.map((one) => one.key).filter((key) => nameOf(key) && !itemAt(key)?.hidden) : [];
  const places = named.length ? placesOf(new Set(named)) : new Map();
  $("tags").replaceChildren(...named.flatMap((key) => {
    const place = places.get(key);
    const room = place && (place.run / tree.width) * $("frame").clientWidth;
    const fits = LETTER * nameOf(key).length + AROUND < room;
    return place && (fits || itemAt(key)) ? [tag(nameOf(key), place)] : [];
  }));
}

function tag(name, { x, y }) {
  const made = document.createElement("span");
  made.textContent = name;
  made.style.left = `${(100 * (x + 0.5)) / tree.width}%`;
  made.style.top = `${(100 * (y + 0.5)) / tree.height}%`;
  return made;
}

// The longest row of pixels of each region, {x, y, run}, x in its middle, among those not
// far from half the region's height: there a name is farthest from the border.
function placesOf(keys) {
  const [first, last, places] = [new Map(), new Map(), new Map()];
  eachRun((key, y) => {
    if (!keys.has(key)) return;
    if (!first.has(key)) first.set(key, y);
    last.set(key, y);
  });
  eachRun((key, y, x, run) => {
    if (!keys.has(key) || run <= (places.get(key)?.run ?? 0)) return;
    const quarter = Math.floor((last.get(key) - first.get(key)) / 4);
    if (y < first.get(key) + quarter || y > last.get(key) - quarter) return;
    places.set(key, { x: x + (run >> 1), y, run });
  });
  return places;
}

// Calls with every run of pixels of one region within a row: its key, row, start, length.
function eachRun(act) {
  for (let y = 0; y < tree.height; y++) {
    const row = y * tree.width;
    for (let x = 0, start = 0; x < tree.width; x++) {
      const key = shown[tree.labels[row + x]];
      if (x + 1 < tree.width && shown[tree.labels[row + x + 1]] === key) continue;
      act(key, y, start, x + 1 - start);
      start = x + 1;
    }
  }
}
