// What an Extism host gives a plug-in, as far as this example uses it, written by hand. A handle is the
// place of a block in memory that is the host's, not the plug-in's; 0 is no block. Blocks last for one call.
#ifndef EXTISM_H
#define EXTISM_H

#include <stdint.h>

typedef uint64_t handle;

#define EXTISM(name) __attribute__((import_module("extism:host/env"), import_name(#name))) extern

EXTISM(alloc) handle extism_alloc(uint64_t n);
EXTISM(length) uint64_t extism_length(handle);
EXTISM(load_u8) uint8_t extism_load_u8(uint64_t at);
EXTISM(load_u64) uint64_t extism_load_u64(uint64_t at);
EXTISM(store_u8) void extism_store_u8(uint64_t at, uint8_t);
EXTISM(store_u64) void extism_store_u64(uint64_t at, uint64_t);
EXTISM(input_length) uint64_t extism_input_length(void);
EXTISM(input_load_u8) uint8_t extism_input_load_u8(uint64_t at);
EXTISM(input_load_u64) uint64_t extism_input_load_u64(uint64_t at);
EXTISM(output_set) void extism_output_set(handle, uint64_t n);
EXTISM(error_set) void extism_error_set(handle);
EXTISM(config_get) handle extism_config_get(handle key);
EXTISM(var_get) handle extism_var_get(handle key);
EXTISM(var_set) void extism_var_set(handle key, handle value);
EXTISM(log_debug) void extism_log_debug(handle);
EXTISM(log_info) void extism_log_info(handle);
EXTISM(log_warn) void extism_log_warn(handle);
EXTISM(log_error) void extism_log_error(handle);

#endif
