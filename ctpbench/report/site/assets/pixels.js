"use strict";
// Images as numbers: from the PNG that carries them to values, and from values to colours.
(() => {
  async function sheet(png) {
    const image = new Image();
    image.src = `data:image/png;base64,${png}`;
    await image.decode();
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(image, 0, 0);
    return { bytes: context.getImageData(0, 0, canvas.width, canvas.height).data, width: canvas.width };
  }

  // Where in a sheet an image of a stack begins; see ctpbench/report/site/tiles.py.
  const corner = (tile, z, width) => [Math.floor(z / tile.column) * width, (z % tile.column) * tile.shape[1]];

  // The values of a tile, z by z and line by line; NaN where nothing is known.
  async function values(tile) {
    const { bytes, width } = await sheet(tile.png);
    const [depth, height, breadth] = tile.shape;
    const found = new Float32Array(depth * height * breadth);
    let place = 0;
    for (let z = 0; z < depth; z++) {
      const [left, top] = corner(tile, z, 2 * breadth);
      for (let y = 0; y < height; y++)
        for (let x = 0; x < breadth; x++) {
          const at = 4 * ((top + y) * width + left + x);
          const raw = bytes[at] * 256 + bytes[at + 4 * breadth];
          found[place++] = raw ? tile.offset + tile.step * (raw - 1) : NaN;
        }
    }
    return found;
  }

  async function flags(tile) {
    const { bytes, width } = await sheet(tile.png);
    const [depth, height, breadth] = tile.shape;
    const found = new Uint8Array(depth * height * breadth);
    let place = 0;
    for (let z = 0; z < depth; z++) {
      const [left, top] = corner(tile, z, breadth);
      for (let y = 0; y < height; y++) for (let x = 0; x < breadth; x++) found[place++] = bytes[4 * ((top + y) * width + left + x)];
    }
    return found;
  }

  // A slice as an image: black where there is no value.
  function painted(slice, width, height, low, high, colours) {
    const image = new ImageData(width, height);
    const scale = 255 / (high - low || 1);
    for (let i = 0; i < slice.length; i++) {
      const value = slice[i];
      image.data[4 * i + 3] = 255;
      if (Number.isNaN(value)) continue;
      const place = 3 * Math.min(Math.max(Math.round((value - low) * scale), 0), 255);
      image.data[4 * i] = colours[place];
      image.data[4 * i + 1] = colours[place + 1];
      image.data[4 * i + 2] = colours[place + 2];
    }
    return image;
  }

  // The edges of a mask as a path, in pixels of the image.
  function outline(mask, width, height) {
    const path = new Path2D();
    const at = (x, y) => x >= 0 && y >= 0 && x < width && y < height && mask(y * width + x);
    for (let y = 0; y <= height; y++)
      for (let x = 0; x <= width; x++) {
        if (at(x, y) !== at(x - 1, y)) {
          path.moveTo(x, y);
          path.lineTo(x, y + 1);
        }
        if (at(x, y) !== at(x, y - 1)) {
          path.moveTo(x, y);
          path.lineTo(x + 1, y);
        }
      }
    return path;
  }

  ctpbench.pixels = { values, flags, painted, outline };
})();
