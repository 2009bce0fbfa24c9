// Masks and cut-outs as other programs read them: PNG, and COCO's lengths of runs.

const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

// A PNG of 8 bits: of one channel (grey) or of four (red, green, blue, alpha). A canvas
// would write four, and alter them where a browser protects from fingerprinting.
async function png(pixels, width, height) {
  const stride = pixels.length / height;
  const rows = new Uint8Array((stride + 1) * height); // each begins with its filter, none
  for (let y = 0; y < height; y++)
    rows.set(pixels.subarray(y * stride, (y + 1) * stride), y * (stride + 1) + 1);
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, stride === width ? 0 : 6);
  return new Blob([
    Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a),
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", await deflated(rows)),
    chunk("IEND", new Uint8Array(0)),
  ], { type: "image/png" });
}

async function deflated(bytes) {
  const stream = new Blob([bytes]).stream().pipeThrough(new CompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function chunk(kind, data) {
  const bytes = new Uint8Array(data.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, data.length);
  bytes.set([...kind].map((letter) => letter.charCodeAt(0)), 4);
  bytes.set(data, 8);
  let crc = 0xffffffff;
  for (let at = 4; at < data.length + 8; at++) crc = CRC[(crc ^ bytes[at]) & 255] ^ (crc >>> 8);
  view.setUint32(data.length + 8, (crc ^ 0xffffffff) >>> 0);
  return bytes;
}

// Lengths of the runs of a mask down its columns, the first one outside (perhaps 0).
function runsDown(mask, height, width) {
  const counts = [];
  let [value, run] = [0, 0];
  for (let x = 0; x < width; x++)
    for (let y = 0; y < height; y++) {
      const inside = mask[y * width + x] ? 1 : 0;
      if (inside !== value) {
        counts.push(run);
        [value, run] = [inside, 0];
      }
      run++;
    }
  return [...counts, run];
}

// As pycocotools writes them: five bits a letter, the least first; from the fourth on,
// the difference to the last but one.
function compressed(counts) {
  let text = "";
  counts.forEach((count, index) => {
    let rest = index > 2 ? count - counts[index - 2] : count;
    for (let more = true; more; ) {
      const bits = rest & 31;
      rest >>= 5;
      more = bits & 16 ? rest !== -1 : rest !== 0;
      text += String.fromCharCode(48 + bits + (more ? 32 : 0));
    }
  });
  return text;
}
