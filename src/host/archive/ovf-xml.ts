// XML as an OVF descriptor needs it: elements, attributes and texts, by their local names, because producers choose
// their prefixes freely. Without document types and entities, which are what XML is attacked with.
import { XMLParser } from 'fast-xml-parser';
import { HostError, messageOf } from '../../core/errors.ts';
import { shown } from './entry-name.ts';

export interface XmlElement {
  /** Local, like all names here. */
  readonly name: string;
  readonly attributes: ReadonlyMap<string, string>;
  readonly children: readonly XmlElement[];
  /** Its own text, not that of its children. */
  readonly text: string;
}

/** What a node is to the parser: one key that is a name, and perhaps `:@` with the attributes. */
type Node = Readonly<Record<string, unknown>>;

const ATTRIBUTES = ':@';
const TEXT = '#text';
const CDATA = '#cdata';

/** The root element. Throws `OvfRefused` for what is not XML, or is more than elements. */
export function parseXml(bytes: Buffer): XmlElement {
  const text = decoded(bytes);
  if (/<!\s*(?:DOCTYPE|ENTITY)/i.test(text)) throw refused('has a document type or entities');
  const [root, another] = elementsIn(parsed(text));
  if (root === undefined || another !== undefined) throw refused('is not XML: it has not one root element');
  return root;
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refused('is not UTF-8');
  }
}

function parsed(text: string): readonly Node[] {
  const parser = new XMLParser({
    preserveOrder: true,
    ignoreAttributes: false,
    attributeNamePrefix: '',
    textNodeName: TEXT,
    cdataPropName: CDATA,
    processEntities: false,
    parseTagValue: false,
    parseAttributeValue: false,
    ignoreDeclaration: true,
    ignorePiTags: true,
    // The deepest elements that are read lie seven levels deep; VirtualBox' own settings beside them about twelve.
    maxNestedTags: 40,
  });
  try {
    return parser.parse(text, true) as readonly Node[];
  } catch (cause) {
    throw refused(`is not XML: ${shown(messageOf(cause))}`);
  }
}

function elementsIn(nodes: readonly Node[]): readonly XmlElement[] {
  return nodes.flatMap((node) => {
    const key = Object.keys(node).find((each) => each !== ATTRIBUTES) ?? TEXT;
    if (key === TEXT || key === CDATA) return [];
    const inside = node[key] as readonly Node[];
    return [
      {
        name: localName(key),
        attributes: attributesOf(node),
        children: elementsIn(inside),
        text: inside.map(textOf).join(''),
      },
    ];
  });
}

function attributesOf(node: Node): ReadonlyMap<string, string> {
  const attributes = (node[ATTRIBUTES] ?? {}) as Readonly<Record<string, string>>;
  return new Map(
    Object.entries(attributes)
      // `xmlns:id="…"` declares a prefix; it is not an id.
      .filter(([name]) => name !== 'xmlns' && !name.startsWith('xmlns:'))
      .map(([name, value]) => [localName(name), withoutReferences(value)]),
  );
}

function textOf(node: Node): string {
  if (typeof node[TEXT] === 'string') return withoutReferences(node[TEXT]);
  const cdata = node[CDATA] as readonly Node[] | undefined;
  return cdata?.map((part) => (typeof part[TEXT] === 'string' ? part[TEXT] : '')).join('') ?? '';
}

function localName(name: string): string {
  return name.slice(name.indexOf(':') + 1);
}

const PREDEFINED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

/** XML's five own entities and references to characters; there can be no others without a document type. */
function withoutReferences(text: string): string {
  return text.replaceAll(/&(?:(\w+)|#(\d{1,7})|#x([\da-f]{1,6}));/gi, (reference, name, decimal, hex) => {
    if (name !== undefined) return PREDEFINED[name] ?? reference;
    const code = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal);
    return code <= 0x10ffff ? String.fromCodePoint(code) : reference;
  });
}

/** The children of this name. */
export function childrenOf(element: XmlElement | undefined, name: string): readonly XmlElement[] {
  return element?.children.filter((child) => child.name === name) ?? [];
}

/** The first child of this name. */
export function childOf(element: XmlElement | undefined, name: string): XmlElement | undefined {
  return childrenOf(element, name)[0];
}

/** The text of the first child of this name; undefined when there is none or it is empty. */
export function childText(element: XmlElement | undefined, name: string): string | undefined {
  return childOf(element, name)?.text.trim() || undefined;
}

export function refused(what: string, hint?: string): HostError {
  return new HostError('OvfRefused', `the OVF descriptor ${what}`, hint === undefined ? {} : { hint });
}
