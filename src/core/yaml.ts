// The one way to the YAML library. Loaded on demand by whoever needs it: most commands do not.
export { isMap, isSeq, parse, parseDocument, stringify } from 'yaml';
