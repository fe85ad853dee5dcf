// Stands for the package string-width in the bundle. yargs asks for widths to lay its help texts out, and ours are
// plain letters; loading the Unicode segmentation data for them would cost every command thirty milliseconds.
import { stripVTControlCharacters } from 'node:util';

export default function stringWidth(text) {
  return stripVTControlCharacters(text).length;
}
