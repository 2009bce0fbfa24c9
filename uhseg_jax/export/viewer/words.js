// What is said of a region.


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
