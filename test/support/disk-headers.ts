// Hand-made disk files: headers as the formats' own documents describe them, with every field open to abuse.
export * from './disk-headers/qcow2.ts';
export * from './disk-headers/raw.ts';
export * from './disk-headers/vdi.ts';
export * from './disk-headers/vhd.ts';
export * from './disk-headers/vhdx.ts';
export * from './disk-headers/vmdk.ts';
export * from './disk-headers/window.ts';
