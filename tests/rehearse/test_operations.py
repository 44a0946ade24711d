from lightning_flowers.rehearse.operations import (
    float32_products,
    goes_to_host,
    is_collective,
    operations,
    without_names,
)

# ruff: noqa: E501
OPTIMIZED = """HloModule x, is_scheduled=true

%fused (p: f32[8]) -> f32[8] {
  %copy.9 = f32[8]{0} copy(%p), backend_config={"estimated_cycles":"5000"}
}

ENTRY %main (p0: u8[2,4,4,3]) -> (f32[8], bf16[2,3]) {
  %p0 = u8[2,4,4,3]{3,2,1,0:T(8,128)(4,1)} parameter(0), sharding={devices=[8,1,1,1]<=[8]}
  %fusion.1 = (f32[8]{0:T(256)}, bf16[2,3]{1,0:T(8,128)(2,1)S(1)}) fusion(%p0), kind=kOutput, metadata={op_name="a/backbone.conv1.grad/aten__mm" source_file="/home/x/flowers/model/head.py" source_line=12}, backend_config={"estimated_cycles":"700"}
  %copy.1 = f32[8]{0} copy(%fusion.1), metadata={op_name="aten__add" source_file="/x/site-packages/torch/nn.py" source_line=1}, backend_config={"estimated_cycles":"30"}
  %all-reduce-start.1 = f32[104,96]{1,0} all-reduce-start(%copy.1), backend_config={"estimated_cycles":"9223372036854775807"}
  %all-reduce-done.1 = f32[104,96]{1,0} all-reduce-done(%all-reduce-start.1)
  %outfeed.1 = token[] outfeed(%copy.1)
  ROOT %tuple = (f32[8]{0}, bf16[2,3]{1,0}) tuple(%copy.1, %fusion.1)
}
"""


def test_operations_are_those_of_the_entry_computation():
    found = operations(OPTIMIZED)
    opcodes = ["parameter", "fusion", "copy", "all-reduce-start", "all-reduce-done", "outfeed", "tuple"]
    assert [operation.opcode for operation in found] == opcodes
    assert [operation.cycles for operation in found] == [0, 700, 30, 0, 0, 0, 0]  # the largest number is "unknown"


def test_an_operation_has_its_shape_bytes_module_and_line():
    _, fusion, copy, *_ = operations(OPTIMIZED)
    assert fusion.shape == "f32[8], bf16[2,3]"
    assert fusion.bytes == 8 * 4 + 6 * 2
    assert fusion.name == "backbone.conv1.grad/aten__mm"
    assert fusion.line == "/home/x/flowers/model/head.py:12"
    assert copy.line == ""  # within torch


def test_what_is_exchanged_is_counted_once_and_what_goes_to_the_host_is_seen():
    found = operations(OPTIMIZED)
    assert [operation.opcode for operation in found if is_collective(operation)] == ["all-reduce-start"]
    assert [operation.opcode for operation in found if goes_to_host(operation)] == ["outfeed"]


def test_products_of_float32_are_named():
    hlo = """
  %a = f32[2,2]{1,0} dot(f32[2,2]{1,0} %x, f32[2,2]{1,0} %y), metadata={op_name="head.0/aten__addmm"}
  %b = bf16[2,2]{1,0} dot(bf16[2,2]{1,0} %x, bf16[2,2]{1,0} %y), metadata={op_name="head.1/aten__addmm"}
"""
    assert float32_products(hlo) == ["head.0/aten__addmm"]


def test_equal_programs_are_equal_without_names():
    named = '  %a = f32[2]{0} add(%x, %y), metadata={op_name="b/c" source_file="f.py" source_line=3}\n'
    assert without_names(named) == "  %a = f32[2]{0} add(%x, %y)\n"
